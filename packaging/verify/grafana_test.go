package verify_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Grafana has no schema for its provisioning files; these are the keys of its documentation (Administration, Provisioning), read strictly.
type (
	dataSources struct {
		APIVersion  int `yaml:"apiVersion"`
		DataSources []struct {
			Name, UID, Type, Access, URL string
			IsDefault                    bool           `yaml:"isDefault"`
			Editable                     bool           `yaml:"editable"`
			JSONData                     map[string]any `yaml:"jsonData"`
			Secure                       map[string]any `yaml:"secureJsonData"`
		} `yaml:"datasources"`
	}
	dashboardProviders struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Folder, Type string
			FolderUID          string `yaml:"folderUid"`
			OrgID              int    `yaml:"orgId"`
			DisableDeletion    bool   `yaml:"disableDeletion"`
			AllowUIUpdates     bool   `yaml:"allowUiUpdates"`
			Interval           int    `yaml:"updateIntervalSeconds"`
			Options            struct {
				Path string
			}
		}
	}
	alerting struct {
		APIVersion    int `yaml:"apiVersion"`
		ContactPoints []struct {
			OrgID     int `yaml:"orgId"`
			Name      string
			Receivers []struct {
				UID, Type             string
				Settings              map[string]any
				DisableResolveMessage bool `yaml:"disableResolveMessage"`
			}
		} `yaml:"contactPoints"`
		Policies []struct {
			OrgID    int `yaml:"orgId"`
			Receiver string
			GroupBy  []string `yaml:"group_by"`
		}
	}
)

func provisioned[T any](t *testing.T, kind string) T {
	t.Helper()
	var out T
	d := yaml.NewDecoder(bytes.NewReader(read(t, "packaging", "compose", "grafana", "provisioning", kind, "bridgewatch.yml")))
	d.KnownFields(true)
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestGrafana: data sources are those the dashboards choose from and lead to services of the project; the dashboards lie where they are looked for;
// policies name contact points that exist.
func TestGrafana(t *testing.T) {
	p := project(t)
	types := map[string]bool{}
	for _, s := range provisioned[dataSources](t, "datasources").DataSources {
		types[s.Type] = true
		host, _ := s.JSONData["host"].(string)
		if s.URL != "" {
			host, _, _ = strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
		}
		if _, ok := p.Services[host]; !ok {
			t.Errorf("data source %s leads to %q, which is no service", s.Name, host)
		}
		for key, value := range s.Secure {
			if text, _ := value.(string); !strings.HasPrefix(text, "$__file{/run/bridgewatch/") {
				t.Errorf("data source %s: %s stands in the file", s.Name, key)
			}
		}
	}
	boards, err := filepath.Glob(root(t, "dashboards", "grafana", "json", "*.json"))
	if err != nil || len(boards) < 5 {
		t.Fatalf("%d dashboards: %v", len(boards), err)
	}
	for _, path := range boards {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, plugin := range []string{"prometheus", "grafana-clickhouse-datasource"} {
			if bytes.Contains(text, []byte(`"`+plugin+`"`)) && !types[plugin] {
				t.Errorf("%s wants a data source %s, which is not provisioned", filepath.Base(path), plugin)
			}
		}
	}
	provider := provisioned[dashboardProviders](t, "dashboards").Providers[0]
	mounted := false
	for _, v := range p.Services["grafana"].Volumes {
		mounted = mounted || v.Target == provider.Options.Path && v.Source == root(t, "dashboards", "grafana", "json")
	}
	if !mounted {
		t.Errorf("no dashboards are mounted on %s", provider.Options.Path)
	}
	a := provisioned[alerting](t, "alerting")
	points := map[string]bool{}
	for _, c := range a.ContactPoints {
		points[c.Name] = true
	}
	for _, policy := range a.Policies {
		if !points[policy.Receiver] {
			t.Errorf("a policy names the contact point %q, which there is none of", policy.Receiver)
		}
	}
}
