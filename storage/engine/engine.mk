# Fetches the embedded ClickHouse (libchdb), once, into a cache folder outside the repository.
ENGINE_VERSION := $(shell sed -n 's/^const LibraryVersion = "\(.*\)"/\1/p' storage/engine/locate.go)
ENGINE_CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/bridgewatch/engine
ENGINE_LIBRARY := $(ENGINE_CACHE)/$(ENGINE_VERSION)/libchdb.so

.PHONY: engine
engine: ## fetch the embedded ClickHouse, once (566 MB unpacked)
	@test -f '$(ENGINE_LIBRARY)' || bash storage/engine/npm/install.sh '$(ENGINE_CACHE)' '$(ENGINE_VERSION)'
