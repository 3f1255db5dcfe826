// Package grafana builds Bridgewatch's Grafana dashboards. Each answers one question; live values come from Prometheus, history from
// ClickHouse. boards.go is the table of contents, style.go the house style, and every row of panels has a file of its own.
//
// The generated JSON is committed in json/ and kept true by a test.
package grafana

import (
	"encoding/json"
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Dashboard is one finished dashboard.
type Dashboard struct {
	// Name of its file, without the extension.
	Name string
	// UID that links and alerts use; it never changes.
	UID string
	// Title as Grafana shows it.
	Title string
	// JSON that Grafana imports.
	JSON []byte
}

// Dashboards builds all dashboards.
func Dashboards() ([]Dashboard, error) {
	var built []Dashboard
	for _, b := range boards() {
		model, err := b.build()
		if err != nil {
			return nil, fmt.Errorf("build dashboard %s: %w", b.name, err)
		}
		text, err := json.MarshalIndent(model, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("encode dashboard %s: %w", b.name, err)
		}
		built = append(built, Dashboard{b.name, b.uid(), b.title, append(text, '\n')})
	}
	return built, nil
}

const (
	uidPrefix = "bridgewatch-"
	columns   = 24 // of Grafana's grid
)

// board is a dashboard as its rows.
type board struct {
	name     string // file name, and the UID after its prefix
	title    string
	question string // the one it answers
	from     string // start of the time range; its end is now
	refresh  string
	vars     []variable
	rows     []row
}

// row is a titled group of panels. Panels flow from left to right and wrap at 24 columns.
type row struct {
	title  string
	panels []panel
}

// panel is one panel and its size in grid units (a column is a 24th of the width, a unit of height 30 pixels).
type panel struct {
	width, height uint32
	content       cog.Builder[dashboard.Panel]
}

func (b board) uid() string { return uidPrefix + b.name }

func (b board) build() (dashboard.Dashboard, error) {
	builder := dashboard.NewDashboardBuilder(b.title).Uid(b.uid()).Description(b.question).
		Tags([]string{"bridgewatch"}).Time(b.from, "now").Timezone("browser").Refresh(b.refresh).
		Tooltip(dashboard.DashboardCursorSyncCrosshair).Editable().
		Link(dashboard.NewDashboardLinkBuilder("Bridgewatch").Type(dashboard.DashboardLinkTypeDashboards).
			Tags([]string{"bridgewatch"}).AsDropdown(true).IncludeVars(true).KeepTime(true))
	for _, v := range b.vars {
		builder = v(builder)
	}
	model, err := builder.Build()
	if err != nil {
		return model, err
	}
	id, y := uint32(1), uint32(0)
	for _, r := range b.rows {
		model.Panels = append(model.Panels, dashboard.PanelOrRowPanel{RowPanel: &dashboard.RowPanel{
			Type: "row", Title: &r.title, Id: id, GridPos: &dashboard.GridPos{X: 0, Y: y, W: columns, H: 1}, Panels: []dashboard.Panel{},
		}})
		id, y = id+1, y+1
		x, tallest := uint32(0), uint32(0)
		for _, p := range r.panels {
			built, err := p.content.Build()
			if err != nil {
				return model, fmt.Errorf("row %s: %w", r.title, err)
			}
			if x+p.width > columns {
				x, y, tallest = 0, y+tallest, 0
			}
			built.Id, built.GridPos = cog.ToPtr(id), &dashboard.GridPos{X: x, Y: y, W: p.width, H: p.height}
			model.Panels = append(model.Panels, dashboard.PanelOrRowPanel{Panel: &built})
			id, x, tallest = id+1, x+p.width, max(tallest, p.height)
		}
		y += tallest
	}
	return model, nil
}
