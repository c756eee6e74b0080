// A small MCP server on encoding/json, as one writes it by hand. It is lenient where that library is: keys match in
// any case, the last of two counts, and what stands behind the message is not looked at. It believes no header.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
)

// In all that the forbidden ones say of themselves.
const canary = "canary-5f0c"

type message struct {
	ID     any    `json:"id"`
	Method string `json:"method"`
	Params struct {
		Name string `json:"name"`
		URI  string `json:"uri"`
		Meta struct {
			Version string `json:"io.modelcontextprotocol/protocolVersion"`
		} `json:"_meta"`
	} `json:"params"`
}

type object = map[string]any

var names = []string{"permitted", "forbidden"}

var log struct {
	sync.Mutex
	file *os.File
}

func text(name string) string {
	if strings.Contains(name, "forbidden") {
		return name + " " + canary + " ran"
	}
	return name + " ran"
}

func ran(kind, name string) string {
	log.Lock()
	defer log.Unlock()
	fmt.Fprintf(log.file, "%s %s\n", kind, name)
	return text(name)
}

func list(key string, element func(name string) object) object {
	elements := []object{}
	for _, name := range names {
		elements = append(elements, element(name))
	}
	return object{key: elements, "ttlMs": 60000, "cacheScope": "public", "resultType": "complete"}
}

func knows(name string) bool { return name == names[0] || name == names[1] }

func answer(m *message) (result object, code int) {
	name, uri := m.Params.Name, m.Params.URI
	switch m.Method {
	case "initialize":
		return object{"protocolVersion": "2025-06-18", "serverInfo": object{"name": "differential", "version": "1"},
			"capabilities": object{"tools": object{}, "prompts": object{}, "resources": object{}}}, 0
	case "server/discover":
		return object{"supportedVersions": []string{"2026-07-28"}, "capabilities": object{"tools": object{}},
			"ttlMs": 0, "cacheScope": "public", "resultType": "complete"}, 0
	case "ping":
		return object{}, 0
	case "tools/list":
		return list("tools", func(name string) object {
			return object{"name": name, "description": text(name), "inputSchema": object{"type": "object"}}
		}), 0
	case "prompts/list":
		return list("prompts", func(name string) object { return object{"name": name, "description": text(name)} }), 0
	case "resources/list":
		return list("resources", func(name string) object {
			return object{"uri": "x:" + name, "name": "the " + name + " one", "description": text(name)}
		}), 0
	case "resources/templates/list":
		return list("resourceTemplates", func(name string) object {
			return object{"uriTemplate": "x:" + name + "/{v}", "name": "the " + name + " one", "description": text(name)}
		}), 0
	case "tools/call":
		if knows(name) {
			content := []object{{"type": "text", "text": ran("tool", name)}}
			return object{"content": content, "resultType": "complete"}, 0
		}
		return nil, -32602
	case "prompts/get":
		if knows(name) {
			said := object{"role": "user", "content": object{"type": "text", "text": ran("prompt", name)}}
			return object{"messages": []object{said}, "resultType": "complete"}, 0
		}
		return nil, -32602
	case "resources/read":
		if strings.HasPrefix(uri, "x:") && knows(uri[2:]) {
			contents := []object{{"uri": uri, "text": ran("resource", uri)}}
			return object{"contents": contents, "resultType": "complete"}, 0
		}
		return nil, -32602
	}
	return nil, -32601
}

// One message, and whether there is something to say.
func handle(m *message) (object, bool) {
	if m.Method == "" {
		return nil, false
	}
	result, code := answer(m)
	if m.ID == nil {
		return nil, false
	}
	if code != 0 {
		told := "Method not found"
		if code == -32602 {
			// As servers do that mean to help: whoever asks for what is not there hears what is.
			told = "Unknown: " + m.Params.Name + m.Params.URI + ". There are: " + strings.Join(names, ", ")
		}
		return object{"jsonrpc": "2.0", "id": m.ID, "error": object{"code": code, "message": told}}, true
	}
	return object{"jsonrpc": "2.0", "id": m.ID, "result": result}, true
}

func serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost && r.Method != http.MethodPut && r.Method != http.MethodPatch {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	var raw json.RawMessage
	if json.NewDecoder(r.Body).Decode(&raw) != nil {
		http.Error(w, "no JSON", http.StatusBadRequest)
		return
	}
	var said any
	var speaks bool
	if bytes.HasPrefix(raw, []byte("[")) {
		var batch []message
		if json.Unmarshal(raw, &batch) != nil {
			http.Error(w, "no message", http.StatusBadRequest)
			return
		}
		all := []object{}
		for at := range batch {
			if one, ok := handle(&batch[at]); ok {
				all = append(all, one)
			}
		}
		said, speaks = all, len(all) > 0
	} else {
		var m message
		if json.Unmarshal(raw, &m) != nil {
			http.Error(w, "no message", http.StatusBadRequest)
			return
		}
		said, speaks = handle(&m)
	}
	if !speaks {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(said)
}

func main() {
	file, err := os.OpenFile(os.Args[1], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	log.file = file
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	go func() { <-end; os.Exit(0) }()
	fmt.Printf("listening on http://%s/mcp\n", listener.Addr())
	// Any path: what a router folds or cleans is not its business.
	_ = http.Serve(listener, http.HandlerFunc(serve))
}
