# The product's images, one target each: worker, operator, transaction-producer, loan-request-api.
#
#   docker build --target worker -t millrace-worker .                  compiles in the image (network)
#   make images                                                        takes what `make build` built
#
# The second way passes BINARIES=host and a context whose folder bin/ holds the programs; they must
# have been built against the base image's glibc or an older one.
#
# The programs link OpenSSL (Kafka over TLS) and the C++ runtime dynamically: libssl3 and libstdc++6
# come from the base image or are installed into it. They need no shell, and run as user 65532.
ARG BASE=debian:bookworm-slim
ARG BINARIES=builder

FROM rust:1.95-bookworm AS builder
RUN apt-get update \
 && apt-get install -y --no-install-recommends clang cmake libclang-dev libssl-dev pkg-config zlib1g-dev
WORKDIR /src
COPY . .
RUN cargo build --release --workspace --locked --bins --target-dir /target \
 && mkdir /bin-out \
 && for program in millrace-worker millrace-operator transaction-producer loan-request-api; do \
      if [ -e /target/release/$program ]; then strip --strip-debug -o /bin-out/$program /target/release/$program; fi; \
    done

FROM scratch AS host
COPY bin/ /bin-out/

FROM ${BINARIES} AS binaries

FROM ${BASE} AS base
# Nothing to install, and no network needed, where the base image has them.
RUN dpkg-query -W libssl3 libstdc++6 ca-certificates >/dev/null 2>&1 \
 || { apt-get update \
      && apt-get install -y --no-install-recommends libssl3 libstdc++6 ca-certificates \
      && rm -rf /var/lib/apt/lists/*; }
RUN install -d -o 65532 -g 65532 /var/lib/millrace
USER 65532:65532
STOPSIGNAL SIGTERM

FROM base AS worker
COPY --from=binaries /bin-out/millrace-worker /usr/local/bin/
WORKDIR /var/lib/millrace
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/millrace-worker"]
CMD ["run"]

# The operator alone with what it links: no shell, no package manager.
FROM base AS operator-files
USER root
COPY --from=binaries /bin-out/millrace-operator /files/usr/local/bin/
RUN cp --parents --dereference \
      $(ldd /files/usr/local/bin/millrace-operator | grep -o '/[^ ]*') /etc/passwd /etc/group /files \
 && cp --parents --recursive --dereference /etc/ssl/certs /files \
 && mkdir -m 1777 /files/tmp

FROM scratch AS operator
COPY --from=operator-files /files/ /
USER 65532:65532
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/millrace-operator"]

FROM base AS transaction-producer
COPY --from=binaries /bin-out/transaction-producer /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/transaction-producer"]

FROM base AS loan-request-api
COPY --from=binaries /bin-out/loan-request-api /usr/local/bin/
EXPOSE 8004
ENTRYPOINT ["/usr/local/bin/loan-request-api"]
