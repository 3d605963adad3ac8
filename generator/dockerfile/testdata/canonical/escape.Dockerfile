# escape=`
FROM scratch
COPY a `
  b\c /
RUN echo "x `" y"
