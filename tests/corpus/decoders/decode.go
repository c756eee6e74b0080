// What encoding/json makes of each message, in structs, which match keys in any case: one line in, one line out.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

type message struct {
	Method string          `json:"method"`
	ID     any             `json:"id"`
	Params json.RawMessage `json:"params"`
}

type result struct {
	Method string   `json:"method"`
	ID     any      `json:"id"`
	Names  []string `json:"names"`
}

func names(method string, params json.RawMessage) ([]string, error) {
	if params == nil {
		params = json.RawMessage("{}")
	}
	switch method {
	case "tools/call", "prompts/get":
		var of struct {
			Name string `json:"name"`
		}
		err := json.Unmarshal(params, &of)
		return []string{of.Name}, err
	case "resources/read", "resources/subscribe", "resources/unsubscribe":
		var of struct {
			URI string `json:"uri"`
		}
		err := json.Unmarshal(params, &of)
		return []string{of.URI}, err
	case "completion/complete":
		var of struct {
			Ref struct {
				Type string `json:"type"`
				Name string `json:"name"`
				URI  string `json:"uri"`
			} `json:"ref"`
		}
		err := json.Unmarshal(params, &of)
		if of.Ref.Type == "ref/prompt" {
			return []string{of.Ref.Name}, err
		}
		return []string{of.Ref.URI}, err
	case "subscriptions/listen":
		var of struct {
			Notifications struct {
				Resources []string `json:"resourceSubscriptions"`
				Tasks     []string `json:"taskIds"`
			} `json:"notifications"`
		}
		err := json.Unmarshal(params, &of)
		return append(append([]string{}, of.Notifications.Resources...), of.Notifications.Tasks...), err
	}
	return []string{}, nil
}

func decode(line []byte) any {
	var holder struct {
		Body []byte `json:"body"`
	}
	if err := json.Unmarshal(line, &holder); err != nil {
		panic(err)
	}
	var of message
	err := json.Unmarshal(holder.Body, &of)
	if err == nil {
		var all []string
		if all, err = names(of.Method, of.Params); err == nil {
			return result{of.Method, of.ID, all}
		}
	}
	return map[string]string{"error": err.Error()}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		out, err := json.Marshal(decode(lines.Bytes()))
		if err != nil {
			panic(err)
		}
		fmt.Println(string(out))
	}
}
