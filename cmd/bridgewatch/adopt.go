package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/internal/app"
)

// adoptCmd makes the configuration of a cluster from one of its bridges.
type adoptCmd struct {
	URL                string `arg:"" help:"Web Admin address of one Call Bridge: https://cb1.example.org:445."`
	Username           string `default:"bridgewatch" help:"Account with the MMP role api, the same on all bridges."`
	PasswordFile       string `placeholder:"FILE" help:"File that holds its password."`
	PasswordEnv        string `placeholder:"NAME" help:"Or the environment variable that does."`
	CAFile             string `placeholder:"FILE" help:"PEM certificates to trust instead of the system's."`
	ServerName         string `placeholder:"NAME" help:"Name to expect in this bridge's certificate instead of the address's."`
	Fingerprint        string `placeholder:"SHA256" help:"Accept the certificate with this SHA-256 fingerprint and no other."`
	InsecureSkipVerify bool   `help:"Accept any certificate. A metric will say so."`
	Cluster            string `default:"main" help:"Name that the cluster gets."`
	PublicURL          string `placeholder:"URL" help:"How bridges reach the CDR listener: https://bridgewatch.example.org:8801."`
	Output             string `short:"o" default:"bridgewatch.yml" placeholder:"FILE" help:"Configuration to write; one that is there is used and never changed."`
	Register           bool   `help:"Also add this receiver on every bridge."`
	Yes                bool   `help:"Do not ask before."`
}

func (a adoptCmd) Run(ctx context.Context, std streams, _ *slog.Logger) error {
	o := app.AdoptOptions{Cluster: a.Cluster, PublicURL: a.PublicURL, Output: a.Output, Start: collector.Bridge{URL: strings.TrimSuffix(a.URL, "/"), Username: a.Username,
		TLS: collector.TLS{CAFile: a.CAFile, ServerName: a.ServerName, Fingerprint: a.Fingerprint, InsecureSkipVerify: a.InsecureSkipVerify}}}
	if _, err := o.Start.BaseURL(); err != nil {
		return usageError{err}
	}
	if a.Register && a.PublicURL == "" {
		return usageError{errors.New("--register needs --public-url, the address at which bridges reach the CDR listener")}
	}
	if err := a.password(&o); err != nil {
		return usageError{err}
	}
	found, err := app.Adopt(ctx, o)
	if len(found.Found) > 0 {
		printFound(std.out, found)
	}
	if err != nil {
		return err
	}
	if found.Written {
		fmt.Fprintf(std.out, "\n%s is written, with a token for each bridge. Next: bridgewatch check -c %s\n", a.Output, a.Output)
	} else {
		fmt.Fprintf(std.out, "\n%s is there and stays as it is.\n", a.Output)
	}
	if !a.Register {
		return nil
	}
	return a.register(ctx, std, o, found)
}

// password reads the password, and notes how the configuration is to find it.
func (a adoptCmd) password(o *app.AdoptOptions) error {
	switch {
	case a.PasswordFile != "" && a.PasswordEnv != "":
		return errors.New("give --password-file or --password-env, not both")
	case a.PasswordFile != "":
		text, err := os.ReadFile(a.PasswordFile)
		if err != nil {
			return err
		}
		o.PasswordKey, o.PasswordValue = "password_file", a.PasswordFile
		o.Start.Password = collector.Secret(strings.TrimRight(string(text), "\r\n"))
	case a.PasswordEnv != "":
		text, set := os.LookupEnv(a.PasswordEnv)
		if !set {
			return fmt.Errorf("the environment variable %s is not set", a.PasswordEnv)
		}
		o.PasswordKey, o.PasswordValue = "password_env", a.PasswordEnv
		o.Start.Password = collector.Secret(text)
	default:
		return errors.New("give the account's password with --password-file FILE or --password-env NAME")
	}
	if o.Start.Password == "" {
		return errors.New("the password is empty")
	}
	return nil
}

func printFound(out io.Writer, found app.Adopted) {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "BRIDGE\tADDRESS\tRELEASE\tGROUP\tCLOCK\tSTATE")
	for _, f := range found.Found {
		state := "ok"
		if f.Problem != "" {
			state = f.Problem
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", f.Name, f.URL, f.Version, f.Group, f.ClockSkew.Round(time.Second), oneLine(errors.New(state)))
	}
	_ = table.Flush()
}

// register shows what would change, asks, and does it.
func (a adoptCmd) register(ctx context.Context, std streams, o app.AdoptOptions, found app.Adopted) error {
	list, err := found.Registrations(ctx, o)
	if err != nil {
		return err
	}
	wanted := 0
	for _, r := range list {
		if r.Already {
			fmt.Fprintf(std.out, "= %s: has this receiver\n", r.Bridge)
			continue
		}
		wanted++
		fmt.Fprintf(std.out, "+ %s: add the CDR receiver %s (it has: %s)\n", r.Bridge, r.Receiver, strings.Join(append(r.There, ""), " "))
	}
	if wanted == 0 {
		return nil
	}
	if !a.Yes {
		fmt.Fprintf(std.out, "Add it on %d bridges? [y/N] ", wanted)
		answer, err := answered(ctx, func() (string, error) { return bufio.NewReader(std.in).ReadString('\n') })
		if err != nil && err != io.EOF { //nolint:errorlint // as bufio returns it
			return fmt.Errorf("read the answer: %w", err)
		}
		if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
			fmt.Fprintln(std.out, "Nothing was changed.")
			return nil
		}
	}
	return app.Register(ctx, list, func(r app.Registration) { fmt.Fprintf(std.out, "added on %s\n", r.Bridge) })
}
