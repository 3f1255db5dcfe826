package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
)

// EndpointFile is the name, inside the data folder, of the file that tells a sibling command how to reach a running engine.
const EndpointFile = "engine.json"

// Endpoint is where the engine answers, and the owner's secret. It is written with mode 0600 and must not be logged.
type Endpoint struct {
	Address  string `json:"address"` // host:port, on loopback
	User     string `json:"user"`
	Password string `json:"password"`
	PID      int    `json:"pid"` // of the process that supervises the engine
}

// DSN is the endpoint as clickhouse-go's address; an empty database is the engine's default one.
func (e Endpoint) DSN(database string) string {
	u := url.URL{Scheme: "http", Host: e.Address, User: url.UserPassword(e.User, e.Password), Path: "/" + database}
	return u.String()
}

// String hides the secret.
func (e Endpoint) String() string { return "http://" + e.Address }

// ErrNotRunning means that no engine runs on a data folder.
var ErrNotRunning = errors.New("no engine runs")

// ReadEndpoint finds the engine that a running process keeps on the data folder; ErrNotRunning if there is none. The file of a
// process that was killed may remain, so that the address it names can be dead.
func ReadEndpoint(dataDir string) (Endpoint, error) {
	path := filepath.Join(dataDir, EndpointFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Endpoint{}, fmt.Errorf("%w on %s", ErrNotRunning, dataDir)
	}
	if err != nil {
		return Endpoint{}, err
	}
	var e Endpoint
	if err := json.Unmarshal(text, &e); err != nil {
		return Endpoint{}, fmt.Errorf("read %s: %w", path, err)
	}
	return e, nil
}

// write puts the file in place in one step.
func (e Endpoint) write(dataDir string) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(dataDir, EndpointFile+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(append(text, '\n'))
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), filepath.Join(dataDir, EndpointFile))
}
