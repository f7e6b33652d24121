// The peer of native/crates/kcp-proto/tests/interop.rs: xtaci/kcp-go without its FEC and encryption, so that bare KCP
// is on the wire. Arguments: role ("listener", or "dialler" and the address), and how many bytes go each way.
// A listener's first line is its port. The last line is the SHA-256 of what was sent and of what arrived; the process
// then answers until its standard input ends.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"strconv"

	"github.com/xtaci/kcp-go/v5"
)

const socketBytes = 4 * 1024 * 1024

func main() {
	var session *kcp.UDPSession
	var err error
	if os.Args[1] == "listener" {
		listener, listenErr := kcp.ListenWithOptions("127.0.0.1:0", nil, 0, 0)
		must(listenErr)
		must(listener.SetReadBuffer(socketBytes))
		fmt.Println(listener.Addr().(*net.UDPAddr).Port)
		session, err = listener.AcceptKCP()
		must(err)
	} else {
		session, err = kcp.DialWithOptions(os.Args[2], nil, 0, 0)
		must(err)
		must(session.SetReadBuffer(socketBytes))
	}
	bytes, err := strconv.ParseInt(os.Args[len(os.Args)-1], 10, 64)
	must(err)
	session.SetNoDelay(1, 10, 2, 1)
	session.SetWindowSize(1024, 1024)
	session.SetACKNoDelay(true)
	session.SetStreamMode(true)

	sent := make(chan []byte)
	go func() {
		hash := sha256.New()
		_, err := io.Copy(session, io.TeeReader(io.LimitReader(rand.New(rand.NewSource(1)), bytes), hash))
		must(err)
		sent <- hash.Sum(nil)
	}()
	hash := sha256.New()
	_, err = io.CopyN(hash, session, bytes)
	must(err)
	fmt.Printf("%x %x\n", <-sent, hash.Sum(nil))
	_, err = io.Copy(io.Discard, os.Stdin)
	must(err)
}

func must(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}
