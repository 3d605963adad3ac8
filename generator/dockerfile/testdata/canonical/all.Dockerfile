# syntax=docker/dockerfile:1
# A comment.
ARG BASE=debian-base
arg UNUSED=1

from ${BASE} as build
# another comment
MAINTAINER somebody
LABEL a="b c" "d e"=f
ENV OLD style value
ENV NEW=style OTHER="two words"
ARG X Y=1 Z="two words"
RUN apt-get update && \
    # a comment between
    apt-get install -y \
      curl
RUN ["echo", "json form", "é"]
RUN --mount=type=cache,target=/var/cache --network=none make   all
RUN <<EOF
set -e
echo "here"
EOF
COPY --link --chown=1:2   a  b   /dst/
COPY ["with space", "/dst"]
COPY <<-"RAW" <<COOKED /etc/
	tab $HOME
RAW
cooked $HOME
COOKED
ADD --checksum=sha256:0123 https://example.com/x.tgz /
EXPOSE 443 80/tcp
VOLUME /a /b
VOLUME ["/c"]
USER me:us
WORKDIR /w
STOPSIGNAL SIGINT
SHELL ["/bin/bash", "-c"]
HEALTHCHECK --interval=5s CMD curl -f http://localhost
HEALTHCHECK NONE
ONBUILD COPY   x  /y
CMD ["a"]
CMD a b
ENTRYPOINT ["json"]

FROM scratch AS unreached
COPY nothing /

FROM --platform=linux/amd64 scratch
COPY --from=build /dst "/AS" json (x) /
