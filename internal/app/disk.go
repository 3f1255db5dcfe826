package app

import (
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
)

// disk exposes how full the file system of the data folder is. Without the folder, or where the system does not say, there is no figure.
type disk struct {
	folder     string
	size, free *prometheus.Desc
}

func newDisk(folder string) *disk {
	return &disk{
		folder: folder,
		size:   prometheus.NewDesc("bridgewatch_data_disk_size_bytes", "Size of the file system that data_dir is on, in bytes.", nil, nil),
		free:   prometheus.NewDesc("bridgewatch_data_disk_free_bytes", "Bytes that are free for this program on the file system that data_dir is on.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (d *disk) Describe(to chan<- *prometheus.Desc) {
	to <- d.size
	to <- d.free
}

// Collect implements prometheus.Collector.
func (d *disk) Collect(to chan<- prometheus.Metric) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(d.folder, &st); err != nil {
		return
	}
	to <- prometheus.MustNewConstMetric(d.size, prometheus.GaugeValue, float64(st.Blocks)*float64(st.Bsize))
	to <- prometheus.MustNewConstMetric(d.free, prometheus.GaugeValue, float64(st.Bavail)*float64(st.Bsize))
}
