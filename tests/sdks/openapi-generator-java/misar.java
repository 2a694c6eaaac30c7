// A whole story with the client that openapi-generator makes from openapi/misar.json in Java.

import com.acme.misar.ApiClient;
import com.acme.misar.ApiException;
import com.acme.misar.api.ContactsApi;
import com.acme.misar.api.SegmentsApi;
import com.acme.misar.model.*;
import java.time.OffsetDateTime;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

class Story {
  interface Call<T> {
    T answer() throws ApiException;
  }

  static final ApiClient client = connect(System.getenv("DIGLOT_KEY"));
  static final ContactsApi contacts = new ContactsApi(client);
  static final SegmentsApi segments = new SegmentsApi(client);

  static ApiClient connect(String key) {
    return new ApiClient().setBasePath(System.getenv("DIGLOT_URL")).setBearerToken(key);
  }

  /** Prints the status and the message of an answer that is an error, and returns its body. */
  static ErrorBody refused(Call<?> call) throws Exception {
    try {
      throw new AssertionError("not refused: " + call.answer());
    } catch (ApiException refusal) {
      var body = client.getObjectMapper().readValue(refusal.getResponseBody(), ErrorBody.class);
      say("%d: %s", refusal.getCode(), body.getError());
      return body;
    }
  }

  static void say(String format, Object... values) {
    System.out.println(String.format(format, values));
  }

  static String yes(boolean value) {
    return value ? "yes" : "no";
  }

  static OffsetDateTime daysAgo(int days) {
    return OffsetDateTime.now().minusDays(days);
  }

  static String addresses(List<Contact> found) {
    return found.stream().map(Contact::getEmail).collect(Collectors.joining(", "));
  }

  static Rule rule(String field, RuleOperator operator, Object value) {
    return new Rule().field(field).operator(operator).value(value);
  }

  static FilterCriteria group(GroupMode mode, FilterCriteriaItem... rules) {
    return new FilterCriteria().operator(mode).rules(List.of(rules));
  }

  /** Prints a group of rules, and the groups in it. */
  static void show(FilterCriteria criteria, String indent) {
    say("%s%s", indent, criteria.getOperator());
    for (var item : criteria.getRules()) {
      if (item instanceof FilterCriteria inner) {
        show(inner, indent + "  ");
      } else if (item instanceof Rule rule) {
        say("%s  %s %s", indent, rule.getField(), rule.getOperator());
      }
    }
  }

  /** Prints what each rule says of a contact. */
  static void showExplained(ExplainedGroup group, String indent) {
    say("%s%s: %s", indent, group.getOperator(), yes(group.getMatches()));
    for (var item : group.getRules()) {
      if (item instanceof ExplainedGroup inner) {
        showExplained(inner, indent + "  ");
      } else if (item instanceof ExplainedRule one) {
        var rule = one.getRule();
        say("%s  %s %s: %s", indent, rule.getField(), rule.getOperator(), yes(one.getMatches()));
      }
    }
  }

  public static void main(String[] arguments) throws Exception {
    say("== Contacts");
    var people = List.of(
        new ContactCreate()
            .email("ada@example.com")
            .firstName("Ada")
            .tags(List.of("vip", "newsletter"))
            .totalSpent(250.5)
            .lastOpenedAt(daysAgo(3))
            .customFields(Map.of("plan", "pro", "seats", 5)),
        new ContactCreate()
            .email("bob@example.com")
            .firstName("Bob")
            .totalSpent(99.5)
            .lastOpenedAt(daysAgo(3))
            .customFields(Map.of("plan", "team", "seats", 12)),
        new ContactCreate()
            .email("cleo@example.com")
            .firstName("Cleo")
            .tags(List.of("vip"))
            .totalSpent(400.5)
            .lastOpenedAt(daysAgo(3))
            .customFields(Map.of("plan", "free")),
        new ContactCreate()
            .email("dan@example.com")
            .firstName("Dan")
            .totalSpent(120.5)
            .lastOpenedAt(daysAgo(60))
            .customFields(Map.of("plan", "pro", "seats", 3)),
        new ContactCreate()
            .email("eve@example.org")
            .firstName("Eve")
            .tags(List.of("newsletter"))
            .totalSpent(150.5)
            .lastOpenedAt(daysAgo(1))
            .customFields(Map.of("plan", "team", "seats", 8)),
        new ContactCreate()
            .email("fay@example.com")
            .totalSpent(500.5)
            .lastOpenedAt(daysAgo(10))
            .customFields(Map.of("plan", "pro")));
    var ids = new HashMap<String, String>();
    var emails = new HashMap<String, String>();
    for (var person : people) {
      var contact = contacts.createContact(person, null).getData();
      ids.put(contact.getEmail(), contact.getId());
      emails.put(contact.getId(), contact.getEmail());
      var name = contact.getFirstName() == null ? "no name" : contact.getFirstName();
      var tags = contact.getTags().isEmpty()
          ? "no tags"
          : contact.getTags().stream().sorted().collect(Collectors.joining(", "));
      var plan = contact.getCustomFields().get("plan");
      say("%s: %s, %s, plan %s, %s", contact.getEmail(), name, tags, plan, contact.getStatus());
    }
    var found = contacts.listContacts(null, null, "cleo", null, null, null, null);
    say("Found by name: %s", addresses(found.getData()));

    say("== A segment with nested rules");
    var buyers = new SegmentCreate()
        .name("Spring buyers")
        .segmentType(SegmentType.DYNAMIC)
        .description("Who buys, and reads")
        .filterCriteria(group(
            GroupMode.AND,
            rule("total_spent", RuleOperator.GTE, 100),
            rule("email", RuleOperator.ENDS_WITH, "@example.com"),
            rule("last_opened_at", RuleOperator.IN_LAST_DAYS, 30),
            group(
                GroupMode.OR,
                rule("custom_fields.plan", RuleOperator.IN, List.of("pro", "team")),
                rule("tags", RuleOperator.CONTAINS, "vip"))));
    var made = segments.createSegment(buyers, null).getData();
    var id = made.getId();
    say("%s: %s, %s, revision %d", made.getName(), made.getSegmentType(), made.getDescription(), made.getRevision());
    show(made.getFilterCriteria(), "  ");

    say("== Its members");
    var preview = segments.previewSegment(id).getData();
    var samples = addresses(preview.getContacts());
    say("%d, such as %s", preview.getTotalMatching(), samples);
    for (var number : List.of(1L, 2L)) {
      var page = segments.listSegmentMembers(id, number, 2L, null);
      var shown = page.getData().getContactIds().stream().map(emails::get).collect(Collectors.joining(", "));
      say("Page %d of %d: %s", page.getPagination().getPage(), page.getPagination().getTotalPages(), shown);
    }

    say("== A contact changes, and the count follows");
    var patch = new ContactPatch().totalSpent(175.5);
    var bob = contacts.updateContact(ids.get("bob@example.com"), patch, null).getData();
    say("%s has spent %s", bob.getEmail(), bob.getTotalSpent());
    say("%d members", segments.getSegment(id).getData().getContactCount());

    say("== What other rules would find");
    var wider = group(
        GroupMode.AND,
        rule("total_spent", RuleOperator.GTE, 100),
        rule("last_opened_at", RuleOperator.IN_LAST_DAYS, 30));
    var dry = segments.dryRunSegment(new DryRun().filterCriteria(wider).segmentId(id)).getData();
    say(
        "%d in place of %d: %d would enter, %d would leave",
        dry.getTotal(), dry.getCurrentTotal(), dry.getEntering(), dry.getLeaving());
    say("Entering: %s", addresses(dry.getEnteringSample()));
    for (var counted : dry.getPredicates()) {
      var rule = counted.getRule();
      say("%s: %s %s, true of %d", counted.getPath(), rule.getField(), rule.getOperator(), counted.getCount());
    }

    say("== Why one is no member");
    var explained = segments.explainSegment(id, "dan@example.com").getData();
    say("dan@example.com is a member: %s", yes(explained.getIsMember()));
    showExplained(explained.getFilterCriteria(), "  ");

    say("== Other rules");
    var changed = segments
        .updateSegment(id, new SegmentPatch().name("Spring readers").filterCriteria(wider), null)
        .getData();
    say("%s: %d members, revision %d", changed.getName(), changed.getContactCount(), changed.getRevision());

    say("== Who entered, and why");
    var after = 0L;
    for (var more = true; more; ) {
      var changes = segments.listSegmentChanges(id, after, 3L);
      for (var change : changes.getData()) {
        say("%s %s: %s", emails.get(change.getContactId()), change.getChange(), change.getCause());
      }
      after = changes.getPagination().getThrough();
      more = changes.getPagination().getHasMore();
    }

    say("== A request that is sent again");
    var nobody = new FilterCriteria().rules(List.of());
    var draft = new SegmentCreate().name("Draft").segmentType(SegmentType.DYNAMIC).filterCriteria(nobody);
    var first = segments.createSegment(draft, "a-draft").getData();
    var again = segments.createSegment(draft, "a-draft").getData();
    say("The same segment: %s", yes(first.getId().equals(again.getId())));
    var another = new SegmentCreate().name("Another").segmentType(SegmentType.DYNAMIC).filterCriteria(nobody);
    refused(() -> segments.createSegment(another, "a-draft"));

    say("== All segments");
    for (var number : List.of(1L, 2L)) {
      var listed = segments.listSegments(number, 1L).getData();
      var item = listed.getSegments().get(0);
      var pages = listed.getPagination().getTotalPages();
      say("%d of %d: %s, %d members", number, pages, item.getName(), item.getContactCount());
    }

    say("== What is refused");
    var wrong = new SegmentCreate()
        .name("Wrong")
        .segmentType(SegmentType.DYNAMIC)
        .filterCriteria(group(
            GroupMode.AND,
            rule("total_spent", RuleOperator.GTE, "many"),
            group(GroupMode.OR, rule("email", RuleOperator.IN_LAST_DAYS, 30))));
    var faults = refused(() -> segments.createSegment(wrong, null)).getDetails().getFieldErrors();
    faults.forEach((field, each) -> each.forEach(one -> say("  %s: %s", field, one)));
    refused(() -> contacts.createContact(new ContactCreate().email("ada@example.com"), null));
    refused(() -> new SegmentsApi(connect("msk_unknown")).listSegments(null, null));

    say("== The end");
    for (var one : List.of(id, first.getId())) {
      say("Deleted: %s", yes(segments.deleteSegment(one, null).getSuccess()));
    }
    refused(() -> segments.getSegment(id));
  }
}
