package writer

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestReleaseOnCluster: a body leaves quarantine where its rows lie. One server without Keeper cannot run statements ON CLUSTER, and says just that.
func TestReleaseOnCluster(t *testing.T) {
	err := storage.ReleaseQuarantined(t.Context(), storagetest.ClusterStore(t), "cb1", time.Now(), uuid.New())
	if err == nil || strings.Contains(err.Error(), "Distributed") || !strings.Contains(strings.ToLower(err.Error()), "replicated ddl") {
		t.Errorf("%v; want the refusal of a statement ON CLUSTER", err)
	}
}
