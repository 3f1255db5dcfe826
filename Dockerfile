# syntax=docker/dockerfile:1
# Two images of Bridgewatch and one of the simulator. docs/deployment.md says what of them was run, and what was not.
#
#   docker build --target slim       -t bridgewatch:slim .       static, nothing but the program: needs nats.url or embedded NATS, and clickhouse.url
#   docker build --target full       -t bridgewatch .            with the embedded ClickHouse: one container is enough
#   docker build --target simulator  -t bridgewatch-simulator .

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ENV CGO_ENABLED=0
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -trimpath -ldflags "-s -w" -o /out/bridgewatch ./cmd/bridgewatch && \
    go build -trimpath -ldflags "-s -w" -tags slim -o /out/bridgewatch-slim ./cmd/bridgewatch && \
    go build -trimpath -ldflags "-s -w" -o /out/cmssim ./cmd/cmssim && \
    mkdir -p /out/data

# The embedded ClickHouse, by the lock file's integrity hash.
FROM node:22-bookworm-slim AS engine
COPY storage/engine/npm /npm
COPY storage/engine/locate.go /npm/
RUN version=$(sed -n 's/^const LibraryVersion = "\(.*\)"/\1/p' /npm/locate.go) && \
    bash /npm/install.sh /engine "$version" && \
    mv "/engine/$version/libchdb.so" /libchdb.so && chmod 0644 /libchdb.so

FROM scratch AS slim
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build --chown=65532:65532 --chmod=0700 /out/data /var/lib/bridgewatch
COPY --from=build /out/bridgewatch-slim /bridgewatch
USER 65532:65532
ENV BRIDGEWATCH_CONFIG=/etc/bridgewatch/bridgewatch.yml
VOLUME /var/lib/bridgewatch
EXPOSE 8800 8801
HEALTHCHECK --interval=15s --timeout=6s --start-period=60s CMD ["/bridgewatch", "healthy"]
ENTRYPOINT ["/bridgewatch"]
CMD ["serve"]

FROM debian:bookworm-slim AS full
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=engine /libchdb.so /usr/lib/bridgewatch/libchdb.so
COPY --from=build --chown=65532:65532 --chmod=0700 /out/data /var/lib/bridgewatch
COPY --from=build /out/bridgewatch /usr/bin/bridgewatch
USER 65532:65532
ENV BRIDGEWATCH_CONFIG=/etc/bridgewatch/bridgewatch.yml \
    BRIDGEWATCH_ENGINE_LIBRARY=/usr/lib/bridgewatch/libchdb.so
VOLUME /var/lib/bridgewatch
EXPOSE 8800 8801 8802
HEALTHCHECK --interval=15s --timeout=6s --start-period=60s CMD ["/usr/bin/bridgewatch", "healthy"]
ENTRYPOINT ["/usr/bin/bridgewatch"]
CMD ["serve"]

FROM alpine:3.22 AS simulator
COPY --from=build /out/cmssim /usr/bin/cmssim
USER 65532:65532
ENTRYPOINT ["/usr/bin/cmssim"]
