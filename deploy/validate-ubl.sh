#!/usr/bin/env bash
# Shows UBL files to the official rules: the schema of UBL 2.1 and the schematron of EN 16931, as published for Maven.
# A second opinion on what core/einvoice writes, by code that is not ours.
#
#   deploy/validate-ubl.sh FILE.xml...    needs Java 17 and Maven; fails if a file is refused or warned about
#
# WORK is where the libraries are kept (default: a folder under the temporary directory).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
WORK=${WORK:-${TMPDIR:-/tmp}/crmhub-test}
rules=external/schematron/1.3.16/ubl/EN16931-UBL-validation.xslt
jars=$WORK/ubl
mkdir -p "$jars"

for artifact in net.sf.saxon:Saxon-HE:10.9 com.helger.phive.rules:phive-rules-en16931:4.3.7 com.helger.ubl:ph-ubl21:10.2.0 \
  com.helger.xsd:ph-xsds-xmldsig:4.1.0 com.helger.xsd:ph-xsds-xades132:4.1.0 com.helger.xsd:ph-xsds-xades141:4.1.0 \
  com.helger.xsd:ph-xsds-ccts-cct-schemamodule:4.1.0; do
  IFS=: read -r _ name version <<<"$artifact"
  [ -f "$jars/$name-$version.jar" ] && continue
  mvn -q dependency:copy -Dartifact="$artifact" -DoutputDirectory="$jars" >"$jars/maven.log" 2>&1 || { cat "$jars/maven.log" >&2; exit 2; }
done
exec java -cp "$jars/*" "$here/ValidateUBL.java" "$rules" "$@"
