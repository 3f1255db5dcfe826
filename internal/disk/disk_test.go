package disk

import (
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestFigures(t *testing.T) {
	full := New("/data", func(folder string, st *syscall.Statfs_t) error {
		if folder != "/data" {
			t.Errorf("asked for %s", folder)
		}
		st.Blocks, st.Bfree, st.Bavail, st.Bsize = 1000, 70, 40, 4096 // 30 blocks are kept for root
		return nil
	})
	want := `
		# HELP bridgewatch_data_disk_free_bytes Bytes that are free for this program on the file system that data_dir is on.
		# TYPE bridgewatch_data_disk_free_bytes gauge
		bridgewatch_data_disk_free_bytes 163840
		# HELP bridgewatch_data_disk_size_bytes Size of the file system that data_dir is on, in bytes.
		# TYPE bridgewatch_data_disk_size_bytes gauge
		bridgewatch_data_disk_size_bytes 4.096e+06
	`
	if err := testutil.CollectAndCompare(full, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if n := testutil.CollectAndCount(New(t.TempDir(), nil)); n != 2 {
		t.Errorf("%d figures of a real folder, want 2", n)
	}
	if n := testutil.CollectAndCount(New(t.TempDir()+"/none", nil)); n != 0 {
		t.Errorf("%d figures of a folder that is not there, want none", n)
	}
}
