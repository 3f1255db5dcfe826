package grafana

import (
	"github.com/grafana/grafana-foundation-sdk/go/barchart"
	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// The palette: a color means the same thing on every board. Names are Grafana's, which differ between its dark and light themes.
const (
	good     = "green"
	caution  = "orange"
	bad      = "red"
	neutral  = "blue"    // a count that is neither good nor bad
	unknown  = "#7b8087" // gray: nothing is known
	faint    = "text"    // the theme's text color
	limitCol = "red"     // limits and entitlements, always dashed
	smpCol   = "blue"
	pmpCol   = "purple"
	recCol   = "yellow"
)

// palette is every color that a board may use.
func palette() []string {
	return []string{good, caution, bad, neutral, unknown, faint, limitCol, smpCol, pmpCol, recCol}
}

// Units, by Grafana's ids.
const (
	plain      = "none"
	ratio      = "percentunit"
	seconds    = "s"
	bytesPerS  = "Bps"
	perSecond  = "suffix:/s"
	loadUnits  = "short"
	sizeBytes  = "bytes"
	fromNow    = "dateTimeFromNow"
	milliUnits = "ms"
)

// steps are thresholds: a color from minus infinity on, then value and color in turn.
type steps struct {
	base string
	more []dashboard.Threshold
}

func from(base string) steps { return steps{base: base} }

// at adds a color that holds from value on.
func (s steps) at(value float64, color string) steps {
	s.more = append(s.more[:len(s.more):len(s.more)], dashboard.Threshold{Value: &value, Color: color})
	return s
}

// orUnknown is gray where there is no value at all.
func (s steps) orUnknown() steps {
	return steps{base: unknown, more: append([]dashboard.Threshold{{Value: cog.ToPtr(-1e9), Color: s.base}}, s.more...)}
}

func (s steps) builder() *dashboard.ThresholdsConfigBuilder {
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).
		Steps(append([]dashboard.Threshold{{Color: s.base}}, s.more...))
}

// The thresholds that return: the same as the rules' (alerts/rules/thresholds.yml).
func noneIsGood() steps { return from(good).at(1, bad) }
func alarmSteps() steps { return from(good).at(1, caution) } // an alarm says look; what it breaks has a lamp of its own
func loadSteps() steps  { return from(good).at(0.6, caution).at(0.8, bad) }
func anyIsFine() steps  { return from(neutral) }
func zeroIsBad() steps  { return from(bad).at(1, good) }

func letter(i int) string { return string(rune('A' + i)) }

func targets(queries []query) []cog.Builder[variants.Dataquery] {
	list := make([]cog.Builder[variants.Dataquery], len(queries))
	for i, q := range queries {
		list[i] = q(letter(i))
	}
	return list
}

// number is one big value; queries with several series show one beside the other.
func number(title, unit, description string, s steps, queries ...query) *stat.PanelBuilder {
	return stat.NewPanelBuilder().Title(title).Description(description).Unit(unit).Targets(targets(queries)).
		Thresholds(s.builder()).ReduceOptions(last()).GraphMode(common.BigValueGraphModeNone).ColorMode(common.BigValueColorModeValue).
		JustifyMode(common.BigValueJustifyModeCenter).TextMode(common.BigValueTextModeAuto).
		Orientation(common.VizOrientationAuto) // an empty one shows the first series only
}

// lamp is a number whose whole panel takes the color: for what must be seen from afar.
// Without data it is gray: unknown is not fine.
func lamp(title, unit, description string, s steps, queries ...query) *stat.PanelBuilder {
	return number(title, unit, description, s.orUnknown(), queries...).ColorMode(common.BigValueColorModeBackground).NoValue("unknown")
}

// graph is lines over time, not stacked. Series come sorted by their labels, so a bridge has the same color on every panel.
func graph(title, unit, description string, queries ...query) *timeseries.PanelBuilder {
	return timeseries.NewPanelBuilder().Title(title).Description(description).Unit(unit).Targets(targets(queries)).
		Datasource(metricsSource()).LineWidth(1).FillOpacity(8).ShowPoints(common.VisibilityModeAuto).AxisSoftMin(0).
		ColorScheme(colorMode(dashboard.FieldColorModeIdPaletteClassic)).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom).Calcs([]string{})).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
}

// bars compares the present value of several things.
func bars(title, unit, description string, s steps, queries ...query) *bargauge.PanelBuilder {
	return bargauge.NewPanelBuilder().Title(title).Description(description).Unit(unit).Targets(targets(queries)).
		Thresholds(s.orUnknown().builder()).ColorScheme(colorMode(dashboard.FieldColorModeIdThresholds)).NoValue("unknown").ReduceOptions(last()).Min(0).
		DisplayMode(common.BarGaugeDisplayModeBasic).Orientation(common.VizOrientationHorizontal).
		Text(common.NewVizTextDisplayOptionsBuilder().TitleSize(16).ValueSize(26)).
		ShowUnfilled(true).NamePlacement(common.BarGaugeNamePlacementLeft).ValueMode(common.BarGaugeValueModeColor)
}

// timeline shows states over time, a line for each thing.
func timeline(title, description string, states []dashboard.ValueMapping, queries ...query) *statetimeline.PanelBuilder {
	return statetimeline.NewPanelBuilder().Title(title).Description(description).Unit(plain).Targets(targets(queries)).
		Mappings(states).MergeValues(true).ShowValue(common.VisibilityModeNever).RowHeight(0.85).FillOpacity(80).
		ColorScheme(colorMode(dashboard.FieldColorModeIdFixed)).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom).Calcs([]string{}))
}

// list is a table.
func list(title, description string, queries ...query) *table.PanelBuilder {
	return table.NewPanelBuilder().Title(title).Description(description).Unit(plain).Targets(targets(queries)).CellHeight(common.TableCellHeightSm).
		Footer(common.NewTableFooterOptionsBuilder().Show(false).Reducer([]string{}))
}

// dailyColumns is a bar for each day, which is the first column of the query.
func dailyColumns(title, unit, description string, queries ...query) *barchart.PanelBuilder {
	return barchart.NewPanelBuilder().Title(title).Description(description).Unit(unit).Targets(targets(queries)).
		Orientation(common.VizOrientationVertical).ShowValue(common.VisibilityModeNever).FillOpacity(80).
		ColorScheme(colorMode(dashboard.FieldColorModeIdPaletteClassic)).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom).Calcs([]string{}))
}

func last() *common.ReduceDataOptionsBuilder {
	return common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})
}

func colorMode(mode dashboard.FieldColorModeId) *dashboard.FieldColorBuilder {
	return dashboard.NewFieldColorBuilder().Mode(mode)
}

// property is one setting of an override.
func property(id string, value any) dashboard.DynamicConfigValue {
	return dashboard.DynamicConfigValue{Id: id, Value: value}
}

func fixedColor(color string) dashboard.DynamicConfigValue {
	return property("color", map[string]any{"mode": "fixed", "fixedColor": color})
}

// asLimit draws a series as a limit: dashed, not filled.
func asLimit() []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{
		fixedColor(limitCol), property("custom.fillOpacity", 0), property("custom.showPoints", "never"),
		property("custom.lineStyle", map[string]any{"fill": "dash", "dash": []int{8, 8}}),
	}
}

// states maps values to texts and colors: value, text, color in turn.
func states(triples ...string) []dashboard.ValueMapping {
	options := map[string]dashboard.ValueMappingResult{}
	for i := 0; i+2 < len(triples); i += 3 {
		options[triples[i]] = dashboard.ValueMappingResult{Text: &triples[i+1], Color: &triples[i+2], Index: cog.ToPtr(int32(i / 3))}
	}
	return []dashboard.ValueMapping{{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: options}}}
}

func activeClear() []dashboard.ValueMapping {
	return states("1", "active", caution, "0", "clear", good)
}
func upDown() []dashboard.ValueMapping { return states("1", "up", good, "0", "down", bad) }

// property is the thresholds as part of an override.
func (s steps) property() dashboard.DynamicConfigValue {
	list := []map[string]any{{"color": s.base, "value": nil}}
	for _, t := range s.more {
		list = append(list, map[string]any{"color": t.Color, "value": *t.Value})
	}
	return property("thresholds", map[string]any{"mode": "absolute", "steps": list})
}

// asMark draws a series as a thin dashed line of one color.
func asMark(color string) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{
		fixedColor(color), property("custom.fillOpacity", 0), property("custom.showPoints", "never"),
		property("custom.lineStyle", map[string]any{"fill": "dash", "dash": []int{3, 5}}),
	}
}

func coloredLine(color string) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{fixedColor(color)}
}

// words keeps a column of text as it is: Grafana would take a telephone number for a number and drop its plus.
func words(more ...dashboard.DynamicConfigValue) []dashboard.DynamicConfigValue {
	return append([]dashboard.DynamicConfigValue{property("unit", "string")}, more...)
}

// unit gives one column of a table its unit.
func unit(id string) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{property("unit", id)}
}

// cell is how a table draws one column: gauge, color-text.
func cell(kind string) dashboard.DynamicConfigValue {
	return property("custom.cellOptions", map[string]any{"type": kind})
}

// colored maps the values of one column to texts in their color.
func colored(mappings ...dashboard.ValueMapping) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{property("mappings", mappings), cell("color-text"), property("custom.align", "left")}
}

// shareCell draws a share of legs that suffered.
func shareCell() []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{property("unit", ratio), property("decimals", 1), cell("color-text"), from(good).at(0.05, caution).at(0.1, bad).property()}
}

// linkTo opens another dashboard for the value that was clicked, with the time range and the other variables kept.
func linkTo(name, parameter string) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{property("links", []map[string]any{{
		"title": "Open", "url": "/d/" + uidPrefix + name + "?${__url_time_range}&${cms_cluster:queryparam}&var-" + parameter + "=${__value.text:percentencode}",
	}})}
}

// linkToBridge opens the board of the Call Bridge that a series belongs to.
func linkToBridge() []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{property("links", []map[string]any{{
		"title": "Open this Call Bridge", "url": "/d/" + uidPrefix + "call-bridge?${__url_time_range}&${cms_cluster:queryparam}&var-call_bridge=${__field.labels.call_bridge}",
	}})}
}

// linkToMeeting chooses the meeting of a row and zooms the time range to it, which stand in the row's hidden columns.
func linkToMeeting() []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{property("links", []map[string]any{{
		"title": "Choose this meeting", "url": "/d/" + uidPrefix + "meetings?from=${__data.fields.From}&to=${__data.fields.To}&var-meeting=${__data.fields.Id}&${cms_cluster:queryparam}",
	}})}
}

// unseen hides a column of a table that links need. Grafana 12 renamed the setting.
func unseen() []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{property("custom.hidden", true), property("custom.hideFrom", map[string]any{"viz": true, "legend": false, "tooltip": false})}
}

func joinBy(field string) dashboard.DataTransformerConfig {
	return dashboard.DataTransformerConfig{Id: "joinByField", Options: map[string]any{"byField": field, "mode": "outer"}}
}

// organize puts the columns of a table in order, renames them and drops the rest.
func organize(order []string, names map[string]string, dropped ...string) dashboard.DataTransformerConfig {
	index, exclude := map[string]int{}, map[string]bool{}
	for i, name := range order {
		index[name] = i
	}
	for _, name := range dropped {
		exclude[name] = true
	}
	return dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{"indexByName": index, "renameByName": names, "excludeByName": exclude}}
}

// wide gives one column of a table its width in pixels; the others share what is left.
func wide(pixels int, more ...dashboard.DynamicConfigValue) []dashboard.DynamicConfigValue {
	return append([]dashboard.DynamicConfigValue{property("custom.width", pixels)}, more...)
}
