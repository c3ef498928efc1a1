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
if [ ! -e "$jars/complete" ]; then
  project=$(mktemp -d)
  dependencies=
  for artifact in net.sf.saxon:Saxon-HE:10.9 com.helger.phive.rules:phive-rules-en16931:4.3.7 com.helger.ubl:ph-ubl21:10.2.0 \
    com.helger.xsd:ph-xsds-xmldsig:4.1.0 com.helger.xsd:ph-xsds-xades132:4.1.0 com.helger.xsd:ph-xsds-xades141:4.1.0 \
    com.helger.xsd:ph-xsds-ccts-cct-schemamodule:4.1.0; do
    IFS=: read -r group name version <<<"$artifact"
    dependencies+="<dependency><groupId>$group</groupId><artifactId>$name</artifactId><version>$version</version></dependency>"
  done
  cat >"$project/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>crmhub</groupId><artifactId>ubl</artifactId><version>1</version><packaging>pom</packaging><dependencies>$dependencies</dependencies></project>
POM
  mvn -q -B -f "$project/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    -DexcludeTransitive=true -DoutputDirectory="$jars" >&2
  rm -r "$project"
  touch "$jars/complete"
fi
exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$jars/*" "$here/ValidateUBL.java" "$rules" "$@"
