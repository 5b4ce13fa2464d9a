//go:build tools

// Package tools pins the client whose own tests are run against the agent.
package tools

import _ "github.com/hashicorp/consul/api"
