// The peer of yamux.test.ts: hashicorp/yamux on one TCP connection, in the role that the first argument names
// ("client" or "server"). The first line of each stream that it accepts is a command.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/yamux"
)

const largestWindow = 16 * 1024 * 1024

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	conn, err := listener.Accept()
	must(err)
	config := yamux.DefaultConfig()
	config.MaxStreamWindowSize = largestWindow
	// A stream that is closed and hears no FIN in return is reset after this.
	config.StreamCloseTimeout = 2 * time.Second
	config.LogOutput = io.Discard
	open := yamux.Server
	if os.Args[1] == "client" {
		open = yamux.Client
	}
	session, err := open(conn, config)
	must(err)
	release := make(chan struct{})
	for {
		stream, err := session.AcceptStream()
		if err != nil {
			fmt.Println("ended:", err)
			return
		}
		go serve(session, stream, release)
	}
}

func serve(session *yamux.Session, stream *yamux.Stream, release chan struct{}) {
	in := bufio.NewReader(stream)
	line, err := in.ReadString('\n')
	if err != nil {
		return
	}
	words := strings.Fields(line)
	switch words[0] {
	case "echo":
		_, err := io.Copy(stream, in)
		must(err)
	case "sum":
		sum := sha256.New()
		_, err := io.Copy(sum, in)
		must(err)
		fmt.Fprintf(stream, "%x", sum.Sum(nil))
	case "hold":
		<-release
		got, err := io.Copy(io.Discard, in)
		must(err)
		fmt.Fprint(stream, got)
	case "release":
		close(release)
	case "send":
		bytes, _ := strconv.Atoi(words[1])
		sendPattern(stream, bytes)
	case "open":
		count, _ := strconv.Atoi(words[1])
		fmt.Fprint(stream, openMany(session, count))
	case "ping":
		_, err := session.Ping()
		fmt.Fprint(stream, err)
	case "go-away":
		fmt.Fprint(stream, session.GoAway())
		_, err := io.Copy(stream, in)
		must(err)
	case "hang-up":
		// Closed while the other direction stays open: a reset follows. It must not be closed twice.
		stream.Close()
		return
	case "expect-reset":
		fmt.Fprint(stream, "waiting")
		_, err := io.Copy(io.Discard, in)
		report, openErr := session.OpenStream()
		must(openErr)
		fmt.Fprint(report, err)
		report.Close()
		return
	}
	stream.Close()
}

// Bytes whose value is their offset modulo 251, in pieces of odd sizes.
func sendPattern(to io.Writer, bytes int) {
	piece := make([]byte, 100_003)
	for at := 0; at < bytes; {
		size := min(len(piece), bytes-at)
		for i := range piece[:size] {
			piece[i] = byte((at + i) % 251)
		}
		if _, err := to.Write(piece[:size]); err != nil {
			return
		}
		at += size
	}
}

// Opens streams at once; each sends, half-closes and wants the same back.
func openMany(session *yamux.Session, count int) string {
	results := make(chan error, count)
	for i := 0; i < count; i++ {
		go func() {
			stream, err := session.OpenStream()
			if err != nil {
				results <- err
				return
			}
			sent := bytes.Repeat([]byte{byte(i)}, 10_000+i)
			go func() {
				stream.Write(sent)
				stream.Close()
			}()
			got, err := io.ReadAll(stream)
			if err == nil && !bytes.Equal(got, sent) {
				err = fmt.Errorf("stream %d: sent %d bytes, got %d", i, len(sent), len(got))
			}
			results <- err
		}()
	}
	for i := 0; i < count; i++ {
		if err := <-results; err != nil {
			return err.Error()
		}
	}
	return "ok"
}

func must(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}
