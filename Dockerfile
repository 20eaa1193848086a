# syntax=docker/dockerfile:1
# One image for each service: `docker build --build-arg SERVICE=ingest -t tillflow/ingest .`
# SERVICE is ingest, normalize, dedupe, enrich, transform, apply, propagate, fetch, gateway or tillflow (the command line).
# All are built in one step, so that the second image costs a copy. The commit that `--version` names is a build
# argument, because no clone is copied: `--build-arg TILLFLOW_COMMIT="$(git rev-parse --short=12 HEAD)"`.

FROM rust:1.95.0-bookworm AS build
WORKDIR /source
COPY . .
ARG TILLFLOW_COMMIT
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --workspace --exclude system-tests --exclude testkit --exclude fuzz-targets \
    && mkdir /programs \
    && for service in ingest normalize dedupe enrich transform apply propagate fetch gateway tillflow; do \
        cp "target/release/$service" /programs/ || exit 1; \
    done

# glibc, root certificates and a user that isn't root; no shell, nothing to install with.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG SERVICE
COPY --from=build /programs/${SERVICE} /service
USER 65532:65532
EXPOSE 8080 9100
ENTRYPOINT ["/service"]
