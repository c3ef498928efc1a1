import java.io.InputStream;
import java.net.URI;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.xml.XMLConstants;
import javax.xml.transform.stream.StreamSource;
import javax.xml.validation.Schema;
import javax.xml.validation.SchemaFactory;
import net.sf.saxon.s9api.Processor;
import net.sf.saxon.s9api.QName;
import net.sf.saxon.s9api.XdmDestination;
import net.sf.saxon.s9api.XdmNode;
import net.sf.saxon.s9api.XdmNodeKind;
import net.sf.saxon.s9api.XsltExecutable;
import org.w3c.dom.bootstrap.DOMImplementationRegistry;
import org.w3c.dom.ls.DOMImplementationLS;
import org.w3c.dom.ls.LSInput;
import org.xml.sax.SAXException;

/**
 * Shows files to the schema of UBL 2.1 and to the published rules of EN 16931, both taken from the class path: a line for
 * each file, and one for each thing that is wrong with it. validate-ubl.sh gathers the class path and says which rules.
 */
class ValidateUBL {
  private static final String UBL = "external/schemas/ubl21/";

  /** Schemas that UBL's refer to by name space alone, or from outside of its own files. */
  private static final Map<String, String> OUTSIDE = Map.of(
      "http://www.w3.org/2000/09/xmldsig#", "schemas/xmldsig-core-schema.xsd",
      "http://uri.etsi.org/01903/v1.3.2#", "schemas/XAdES01903v132-201601.xsd",
      "http://uri.etsi.org/01903/v1.4.1#", "schemas/XAdES01903v141-201601.xsd",
      "urn:un:unece:uncefact:data:specification:CoreComponentTypeSchemaModule:2", "schemas/CCTS_CCT_SchemaModule.xsd");

  private final Processor saxon = new Processor(false);
  private final Map<String, Schema> schemas = new HashMap<>();
  private final DOMImplementationLS dom;
  private final XsltExecutable rules;

  ValidateUBL(String rulesPath) throws Exception {
    dom = (DOMImplementationLS) DOMImplementationRegistry.newInstance().getDOMImplementation("LS");
    URL url = resource(rulesPath);
    rules = saxon.newXsltCompiler().compile(new StreamSource(url.openStream(), url.toString()));
  }

  public static void main(String[] args) throws Exception {
    ValidateUBL validator = new ValidateUBL(args[0]);
    int bad = 0;
    for (int i = 1; i < args.length; i++) {
      List<String> faults = validator.faults(Path.of(args[i]));
      System.out.println((faults.isEmpty() ? "ok   " : "FAIL ") + args[i]);
      for (String fault : faults) System.out.println("     " + fault);
      if (!faults.isEmpty()) bad++;
    }
    System.out.printf("%d of %d files hold%n", args.length - 1 - bad, args.length - 1);
    if (bad > 0 || args.length < 2) System.exit(1);
  }

  private List<String> faults(Path file) throws Exception {
    List<String> faults = new ArrayList<>();
    XdmNode document = saxon.newDocumentBuilder().build(file.toFile());
    String root = document.children("*").iterator().next().getNodeName().getLocalName();
    try (InputStream in = Files.newInputStream(file)) {
      schema(root).newValidator().validate(new StreamSource(in));
    } catch (SAXException e) {
      faults.add("schema: " + e.getMessage());
    }
    XdmDestination report = new XdmDestination();
    var run = rules.load30();
    run.setGlobalContextItem(document);
    run.applyTemplates(document, report);
    for (XdmNode node : report.getXdmNode().select(net.sf.saxon.s9api.streams.Steps.descendant(
        n -> n.getNodeKind() == XdmNodeKind.ELEMENT
            && List.of("failed-assert", "successful-report").contains(n.getNodeName().getLocalName()))).asListOfNodes()) {
      faults.add(node.getAttributeValue(new QName("flag")) + " " + node.getAttributeValue(new QName("id"))
          + " at " + node.getAttributeValue(new QName("location")));
    }
    return faults;
  }

  private Schema schema(String root) throws Exception {
    if (!schemas.containsKey(root)) {
      SchemaFactory factory = SchemaFactory.newInstance(XMLConstants.W3C_XML_SCHEMA_NS_URI,
          "com.sun.org.apache.xerces.internal.jaxp.validation.XMLSchemaFactory", null);
      factory.setResourceResolver((type, space, publicId, system, base) -> input(space, publicId, system, base));
      URL url = resource(UBL + "maindoc/UBL-" + root + "-2.1.xsd");
      schemas.put(root, factory.newSchema(new StreamSource(url.openStream(), url.toString())));
    }
    return schemas.get(root);
  }

  /** Everything comes from the class path; nothing is fetched. */
  private LSInput input(String space, String publicId, String system, String base) {
    String path = OUTSIDE.get(space);
    if (path == null) path = UBL + "common/" + Path.of(URI.create(system).getPath()).getFileName();
    try {
      URL url = resource(path);
      LSInput input = dom.createLSInput();
      input.setPublicId(publicId);
      input.setSystemId(url.toString());
      input.setByteStream(url.openStream());
      return input;
    } catch (Exception e) {
      throw new IllegalStateException("schema " + system + " of " + base + ": " + e.getMessage(), e);
    }
  }

  private static URL resource(String path) {
    URL url = Thread.currentThread().getContextClassLoader().getResource(path);
    if (url == null) throw new IllegalStateException(path + " is not on the class path");
    return url;
  }
}
