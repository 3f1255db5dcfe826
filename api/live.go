package api

// Live is what is known of this moment.
type Live interface{}
