package engine

import (
	"strings"

	"github.com/ClickHouse/ch-go/proto"
)

// helloQuery is the first thing that clickhouse-go asks over HTTP.
const helloQuery = "SELECT displayName(), version(), revision(), timezone()"

// The protocol revisions from which a Native block has an info header and each column a flag.
const (
	revisionBlockInfo           = 1
	revisionCustomSerialization = 54454
)

func isHello(statement string) bool {
	return strings.EqualFold(strings.TrimRight(strings.TrimSpace(statement), "; "), helloQuery)
}

// helloBlock answers helloQuery as one Native block at the client's protocol revision. It reports revision 0, after which the client
// reads plain Native, the only kind that the engine writes.
func helloBlock(displayName, version, timezone string, clientRevision int) []byte {
	b := &proto.Buffer{}
	if clientRevision >= revisionBlockInfo {
		b.PutUVarInt(1)
		b.PutBool(false)
		b.PutUVarInt(2)
		b.PutInt32(-1)
		b.PutUVarInt(0)
	}
	b.PutUVarInt(4) // columns
	b.PutUVarInt(1) // rows
	column := func(name, columnType string) {
		b.PutString(name)
		b.PutString(columnType)
		if clientRevision >= revisionCustomSerialization {
			b.PutBool(false)
		}
	}
	column("displayName()", "String")
	b.PutString(displayName)
	column("version()", "String")
	b.PutString(version)
	column("revision()", "UInt32")
	b.PutUInt32(0)
	column("timezone()", "String")
	b.PutString(timezone)
	return b.Buf
}
