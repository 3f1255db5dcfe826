//go:build slim

package engine

// embedded: this build cannot load libchdb; it is static and runs on any base image.
const embedded = false

func load(string) (*library, error) { return nil, errSlim }
