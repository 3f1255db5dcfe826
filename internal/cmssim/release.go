package cmssim

import (
	"fmt"
	"strconv"
	"strings"
)

// release is a CMS release as major*100+minor: 209 is 2.9.
type release int

func parseRelease(s string) (release, error) {
	major, minor, ok := strings.Cut(s, ".")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(minor)
	if !ok || errA != nil || errB != nil || a < 2 || a > 3 || b < 0 || b > 99 {
		return 0, fmt.Errorf("release %q: want one of 2.0 to 2.9 or 3.0 and later, such as 3.8", s)
	}
	return release(a*100 + b), nil
}

// softwareVersion is how the bridge itself names the release.
func (r release) softwareVersion() string { return fmt.Sprintf("%d.%d.1", r/100, r%100) }
