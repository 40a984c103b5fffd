# syntax=docker/dockerfile:1
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends build-essential libssl-dev pkg-config && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# Kafka's driver is C, which the packages above build; with OpenSSL, which ca-certificates bring along below.
RUN cargo build --release --locked --features kafka-tls

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home --home-dir /var/lib/activelog activelog
COPY --from=build /src/target/release/activelog /usr/local/bin/activelog
# Within its own network the container is reached from outside of it; `docker run -p 127.0.0.1:8080:8080` is what keeps it on the
# loopback of the machine: there are no accounts yet.
ENV ACTIVELOG_LISTEN=0.0.0.0:8080
EXPOSE 8080
USER activelog
WORKDIR /var/lib/activelog
ENTRYPOINT ["activelog"]
CMD ["serve"]
