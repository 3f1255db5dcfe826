// Package disk exposes how full the file system is that the data lies on.
package disk

import (
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
)

// Disk is the file system of a folder, a collector for a Prometheus registry. Without the folder, or where the system does not say, there is no figure.
type Disk struct {
	folder     string
	stat       func(string, *syscall.Statfs_t) error
	size, free *prometheus.Desc
}

// New watches the file system of the data folder. stat asks for its state; nil is the system's own call.
func New(folder string, stat func(string, *syscall.Statfs_t) error) *Disk {
	if stat == nil {
		stat = syscall.Statfs
	}
	return &Disk{
		folder: folder, stat: stat,
		size: prometheus.NewDesc("bridgewatch_data_disk_size_bytes", "Size of the file system that data_dir is on, in bytes.", nil, nil),
		free: prometheus.NewDesc("bridgewatch_data_disk_free_bytes", "Bytes that are free for this program on the file system that data_dir is on.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (d *Disk) Describe(to chan<- *prometheus.Desc) {
	to <- d.size
	to <- d.free
}

// Collect implements prometheus.Collector.
func (d *Disk) Collect(to chan<- prometheus.Metric) {
	var st syscall.Statfs_t
	if err := d.stat(d.folder, &st); err != nil {
		return
	}
	to <- prometheus.MustNewConstMetric(d.size, prometheus.GaugeValue, float64(st.Blocks)*float64(st.Bsize))
	to <- prometheus.MustNewConstMetric(d.free, prometheus.GaugeValue, float64(st.Bavail)*float64(st.Bsize))
}
