package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/config"
)

// Healthy asks the instance that listens on http.listen of this machine whether it answers, for the health checks of containers whose image has no other
// program. With a web_config that wants TLS or a password, its refusal is an answer too.
func Healthy(ctx context.Context, c config.Config) error {
	address, err := net.ResolveTCPAddr("tcp", c.HTTP.Listen)
	if err != nil {
		return fmt.Errorf("http.listen: %w", err)
	}
	if address.Port == 0 {
		return errors.New("http.listen names no port to ask")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+toOurselves(address)+"/-/healthy", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	answer.Body.Close() //nolint:errcheck // only the status was wanted
	if answer.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("/-/healthy answers %s", answer.Status)
	}
	return nil
}
