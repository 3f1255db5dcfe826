package report

import (
	"bytes"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/xuri/excelize/v2"

	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestOwnerGroups: owners are added up by group, in the JSON, as a sheet and in a sealed pack.
func TestOwnerGroups(t *testing.T) {
	conn, p := storedIn(t)
	for _, name := range []string{"Ada", "Ben", "Cid"} {
		storagetest.Insert(t, conn, storage.Table{Name: storage.TableOwners, Row: storage.Owner{}}, storage.Owner{CMSCluster: "emea", SpaceID: uuid.UUID{13: name[0]}, ValidFrom: time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC),
			OwnerID: uuid.UUID{14: name[0]}, OwnerJID: strings.ToLower(name) + "@sales.example.org"})
	}
	p.Groups = []storage.OwnerGroup{{Name: "sales", Owners: []string{"ada@*", "BEN@sales.example.org"}}, {Name: "=support", Owners: []string{"*@support.example.org"}}}
	q := storage.NewQueries(conn)
	from, to, now := period(t, p)
	r, err := MakeLicense(t.Context(), q, p, from, to, now)
	if err != nil {
		t.Fatal(err)
	}
	// Ada 4.5 h and Ben 3 h, together most from 10:00 to 11:00 on the 24th (and again on the 26th); Cid 1.09 h of SMP and Dot's PMP are in no group.
	if len(r.Groups) != 3 {
		t.Fatalf("%d groups", len(r.Groups))
	}
	sales, support, rest := r.Groups[0], r.Groups[1], r.Groups[2]
	if sales.Group != "sales" || sales.Meetings != 5 || sales.SMPHours != 7.5 || sales.RecordingHours != 2 || sales.SMPPeakSixths != 12 || !sales.SMPAt.Equal(time.Date(2026, 10, 24, 8, 0, 0, 0, time.UTC)) {
		t.Errorf("sales: %+v", sales)
	}
	if support.Meetings != 0 || support.SMPAt != nil {
		t.Errorf("support: %+v", support)
	}
	if rest.Group != "" || rest.Meetings != 3 || rest.PMPHours == 0 || rest.SMPPeakSixths != 1 {
		t.Errorf("in no group: %+v", rest)
	}
	var text, book bytes.Buffer
	if err := r.WriteJSON(&text); err != nil || !strings.Contains(text.String(), `"owner_groups"`) {
		t.Errorf("no groups in the JSON (%v)", err)
	}
	if err := r.Document(p.Zone).WriteXLSX(&book); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&book)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read from
	rows, err := f.GetRows("By owner group")
	if err != nil || !strings.Contains(strings.Join(rows[4], "|")+strings.Join(rows[5], "|"), "sales|5|7.5") {
		t.Errorf("sheet: %v (%v)", rows, err)
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "true-up.pack")
	if _, err := MakePack(t.Context(), q, p, from, to, now, 1, key, file); err != nil {
		t.Fatal(err)
	}
	pack, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer pack.Close() //nolint:errcheck // only read from
	if v, err := Verify(pack, nil); err != nil || v.Differences != "" {
		t.Errorf("the pack: %+v, %v", v, err)
	}
}
