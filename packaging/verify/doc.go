// Package verify checks the files that packaging ships. It is a module of its own, so that what only reads these files is no part of the program.
package verify
