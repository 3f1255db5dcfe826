package licensing

// Entitlement is what a pool holds from a day on, until the next entry. A nil count is not known.
type Entitlement struct {
	From                Day
	PMP, SMP, Recording *int64
}

// EntitledOn is the entry in force on a day; false before the first.
func EntitledOn(list []Entitlement, day Day) (Entitlement, bool) {
	var found Entitlement
	ok := false
	for _, e := range list {
		if e.From <= day && (!ok || e.From >= found.From) {
			found, ok = e, true
		}
	}
	return found, ok
}
