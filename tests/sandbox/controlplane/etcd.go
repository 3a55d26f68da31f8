package main

import (
	"fmt"
	"net/url"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
)

// newEtcdCommand is one etcd member with no peers. Its data need not survive a power cut, only its
// clients' crashes, so it never waits for the disk. Only holders of a certificate may connect: whoever
// writes to etcd can start pods, and other users of the machine reach the same loopback address.
func newEtcdCommand() *cobra.Command {
	var dataDir, listen string
	tls := transport.TLSInfo{ClientCertAuth: true}
	command := &cobra.Command{
		Use:          "etcd",
		Short:        "the store behind kube-apiserver",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(command *cobra.Command, _ []string) error {
			client, err := url.Parse(listen)
			if err != nil {
				return fmt.Errorf("--listen-client-url: %w", err)
			}
			return runEtcd(command, dataDir, *client, tls)
		},
	}
	command.Flags().StringVar(&dataDir, "data-dir", "", "folder of the data")
	command.Flags().StringVar(&listen, "listen-client-url", "", "where kube-apiserver connects to")
	command.Flags().StringVar(&tls.CertFile, "cert-file", "", "the server's certificate")
	command.Flags().StringVar(&tls.KeyFile, "key-file", "", "the key of that certificate")
	command.Flags().StringVar(&tls.TrustedCAFile, "trusted-ca-file", "", "whose certificates clients must show")
	for _, flag := range []string{"data-dir", "listen-client-url", "cert-file", "key-file", "trusted-ca-file"} {
		if err := command.MarkFlagRequired(flag); err != nil {
			panic(err)
		}
	}
	return command
}

func runEtcd(command *cobra.Command, dataDir string, client url.URL, tls transport.TLSInfo) error {
	config := embed.NewConfig()
	config.Dir = dataDir
	config.UnsafeNoFsync = true
	config.LogLevel = "warn"
	config.ClientTLSInfo, config.PeerTLSInfo = tls, tls
	config.EnableGRPCGateway = false
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	// There are no peers; port 0 lets the kernel choose, so that nothing can collide.
	peer := url.URL{Scheme: "https", Host: "127.0.0.1:0"}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)

	server, err := embed.StartEtcd(config)
	if err != nil {
		return err
	}
	defer server.Close()
	stop, cancel := signal.NotifyContext(command.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	select {
	case <-stop.Done():
		return nil
	case err := <-server.Err():
		return err
	}
}
