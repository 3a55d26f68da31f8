// An S3 server for tests: Versity's gateway over a folder, with one account. It ends when its standard input closes.
package main

import (
	"context"
	"flag"
	"io"
	"log"
	"os"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

func main() {
	address := flag.String("address", "", "host:port to listen on")
	root := flag.String("root", "", "folder whose folders are the buckets")
	attributes := flag.String("attributes", "", "folder for what is known of objects beside their bytes")
	access := flag.String("access", "", "access key id")
	secret := flag.String("secret", "", "secret access key")
	flag.Parse()

	context, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	// Kept beside the files: not every file system has extended attributes.
	sidecar, err := meta.NewSideCar(*attributes)
	if err != nil {
		log.Fatal(err)
	}
	backend, err := posix.New(*root, sidecar, posix.PosixOpts{SideCarDir: *attributes})
	if err != nil {
		log.Fatal(err)
	}
	err = embedgw.RunVersityGW(context, backend, &embedgw.Config{
		RootUserAccess:    *access,
		RootUserSecret:    *secret,
		Region:            "us-east-1",
		Ports:             []string{*address},
		MaxConnections:    1000,
		MaxRequests:       1000,
		MultipartMaxParts: 10000,
		Quiet:             true,
	})
	if err != nil && context.Err() == nil {
		log.Fatal(err)
	}
}
