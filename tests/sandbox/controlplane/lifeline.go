package main

import (
	"io"
	"os"
)

// dieWithParent ends this process when its standard input is closed. The parent holds the other end of
// that pipe and never writes to it, so the kernel closes it even when the parent is killed with -9.
func dieWithParent() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
}
