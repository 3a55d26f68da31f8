// An OCI registry for tests: the CNCF's distribution over a folder. It ends when its standard input closes.
package main

import (
	"context"
	"flag"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"github.com/sirupsen/logrus"
)

func main() {
	address := flag.String("address", "", "host:port to listen on")
	root := flag.String("root", "", "folder for blobs and manifests")
	htpasswd := flag.String("htpasswd", "", "file of the accounts; empty: everybody may do everything")
	flag.Parse()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	logrus.SetOutput(io.Discard)

	config := &configuration.Configuration{
		Storage: configuration.Storage{
			"filesystem": configuration.Parameters{"rootdirectory": *root},
			"delete":     configuration.Parameters{"enabled": true},
		},
	}
	config.HTTP.Secret = "of tests only"
	if *htpasswd != "" {
		config.Auth = configuration.Auth{
			"htpasswd": configuration.Parameters{"realm": "tests", "path": *htpasswd},
		}
	}
	log.Fatal(http.ListenAndServe(*address, handlers.NewApp(context.Background(), config)))
}
