// A whole story with the client that openapi-generator makes from openapi/topmail.json in Java.

import com.acme.topmail.ApiClient;
import com.acme.topmail.ApiException;
import com.acme.topmail.api.ContactsApi;
import com.acme.topmail.api.ListsApi;
import com.acme.topmail.api.SegmentsApi;
import com.acme.topmail.api.TagsApi;
import com.acme.topmail.model.*;
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
  static final ListsApi lists = new ListsApi(client);
  static final SegmentsApi segments = new SegmentsApi(client);
  static final TagsApi tags = new TagsApi(client);

  static ApiClient connect(String key) {
    return new ApiClient().setBasePath(System.getenv("DIGLOT_URL") + "/api/v1").setBearerToken(key);
  }

  /** Returns the status of an answer that is an error, and what went wrong. */
  static String refused(Call<?> call) throws Exception {
    try {
      throw new AssertionError("not refused: " + call.answer());
    } catch (ApiException refusal) {
      var error = client.getObjectMapper().readValue(refusal.getResponseBody(), ErrorBody.class).getError();
      var path = error.getPath() == null ? "" : " (" + error.getPath() + ")";
      return refusal.getCode() + " " + error.getCode() + ": " + error.getMessage() + path;
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

  static Conditions group(GroupMode mode, ConditionsItem... rules) {
    return new Conditions().match(mode).rules(List.of(rules));
  }

  /** Prints a group of rules, and the groups in it. */
  static void show(Conditions conditions, String indent) {
    say("%s%s", indent, conditions.getMatch());
    for (var item : conditions.getRules()) {
      if (item instanceof Conditions inner) {
        show(inner, indent + "  ");
      } else if (item instanceof Rule rule) {
        say("%s  %s %s", indent, rule.getField(), rule.getOperator());
      }
    }
  }

  /** Prints what each rule says of a contact. */
  static void showExplained(ExplainedGroup group, String indent) {
    say("%s%s: %s", indent, group.getMatch(), yes(group.getMatches()));
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
            .attributes(Map.of("plan", "pro", "seats", 5)),
        new ContactCreate()
            .email("bob@example.com")
            .firstName("Bob")
            .totalSpent(99.5)
            .lastOpenedAt(daysAgo(3))
            .attributes(Map.of("plan", "team", "seats", 12)),
        new ContactCreate()
            .email("cleo@example.com")
            .firstName("Cleo")
            .totalSpent(400.5)
            .lastOpenedAt(daysAgo(3))
            .attributes(Map.of("plan", "free")),
        new ContactCreate()
            .email("dan@example.com")
            .firstName("Dan")
            .totalSpent(120.5)
            .lastOpenedAt(daysAgo(60))
            .attributes(Map.of("plan", "pro", "seats", 3)),
        new ContactCreate()
            .email("eve@example.org")
            .firstName("Eve")
            .tags(List.of("newsletter"))
            .totalSpent(150.5)
            .lastOpenedAt(daysAgo(1))
            .attributes(Map.of("plan", "team", "seats", 8)),
        new ContactCreate()
            .email("fay@example.com")
            .totalSpent(500.5)
            .lastOpenedAt(daysAgo(10))
            .attributes(Map.of("plan", "pro")));
    var ids = new HashMap<String, String>();
    var emails = new HashMap<String, String>();
    for (var person : people) {
      var contact = contacts.createContact(person, null).getData();
      ids.put(contact.getEmail(), contact.getId());
      emails.put(contact.getId(), contact.getEmail());
      var name = contact.getFirstName() == null ? "no name" : contact.getFirstName();
      var tagged = contact.getTags().isEmpty()
          ? "no tags"
          : contact.getTags().stream().sorted().collect(Collectors.joining(", "));
      var plan = contact.getAttributes().get("plan");
      say("%s: %s, %s, plan %s, %s", contact.getEmail(), name, tagged, plan, contact.getStatus());
    }
    var found = contacts.listContacts(null, null, "cleo", null, null);
    say("Found by name: %s", addresses(found.getData()));

    say("== A tag and a list");
    var gold = tags.createTag(new TagCreate().name("gold").color("#ffd700"), null).getData();
    var both = new NamedContacts().contactIds(List.of(ids.get("cleo@example.com"), ids.get("fay@example.com")));
    say("Tagged %s: %d", gold.getName(), tags.addTagContacts(gold.getId(), both, null).getData().getAdded());
    var asked = new ListCreate().name("Readers").description("Who asked for it");
    var readers = lists.createList(asked, null).getData();
    var one = new NamedContacts().contactId(ids.get("cleo@example.com"));
    var joined = lists.addListMembers(readers.getId(), one, null).getData();
    say(
        "%s: %s, %s, %d member",
        readers.getName(), readers.getType(), readers.getDescription(), joined.getMemberCount());
    var cleo = contacts.getContact(ids.get("cleo@example.com")).getData();
    var on = cleo.getLists().stream().map(ListName::getName).collect(Collectors.joining(", "));
    say("%s: %s, on %s", cleo.getEmail(), String.join(", ", cleo.getTags()), on);

    say("== A segment with nested rules");
    var buyers = new SegmentCreate()
        .name("Spring buyers")
        .conditions(group(
            GroupMode.ALL,
            rule("total_spent", RuleOperator.GTE, 100),
            rule("email", RuleOperator.ENDS_WITH, "@example.com"),
            rule("last_opened_at", RuleOperator.IN_LAST_DAYS, 30),
            group(
                GroupMode.ANY,
                rule("attributes.plan", RuleOperator.IN_LIST, List.of("pro", "team")),
                rule("tags", RuleOperator.CONTAINS, "gold"))));
    var made = segments.createSegment(buyers, null).getData();
    var id = made.getId();
    say("%s: revision %d", made.getName(), made.getRevision());
    show(made.getConditions(), "  ");

    say("== Its members");
    say("%d members", segments.estimateSegment(id, null).getData().getCount());
    for (var offset : List.of(0L, 2L)) {
      var page = segments.listSegmentContacts(id, 2L, offset, null);
      var position = page.getPagination();
      say(
          "From %d of %d: %s; more: %s",
          position.getOffset(), position.getTotal(), addresses(page.getData()), yes(position.getHasMore()));
    }

    say("== A contact changes, and the count follows");
    var patch = new ContactPatch().totalSpent(175.5);
    var bob = contacts.updateContact(ids.get("bob@example.com"), patch, null).getData();
    say("%s has spent %s", bob.getEmail(), bob.getTotalSpent());
    say("%d members", segments.estimateSegment(id, null).getData().getCount());

    say("== What other rules would find");
    var wider = group(
        GroupMode.ALL,
        rule("total_spent", RuleOperator.GTE, 100),
        rule("last_opened_at", RuleOperator.IN_LAST_DAYS, 30));
    var dry = segments.dryRunSegment(new DryRun().conditions(wider).segmentId(id)).getData();
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
    showExplained(explained.getConditions(), "  ");

    say("== Other rules");
    var changed = segments
        .updateSegment(id, new SegmentPatch().name("Spring readers").conditions(wider), null)
        .getData();
    var count = segments.estimateSegment(id, null).getData().getCount();
    say("%s: %d members, revision %d", changed.getName(), count, changed.getRevision());

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
    var first = segments.createSegment(new SegmentCreate().name("Draft"), "a-draft").getData();
    var again = segments.createSegment(new SegmentCreate().name("Draft"), "a-draft").getData();
    say("The same segment: %s", yes(first.getId().equals(again.getId())));
    say(refused(() -> segments.createSegment(new SegmentCreate().name("Another"), "a-draft")));

    say("== All segments");
    for (var offset : List.of(0L, 1L)) {
      var listed = segments.listSegments(1L, offset, null);
      var name = listed.getData().get(0).getName();
      say("%d of %d: %s", offset + 1, listed.getPagination().getTotal(), name);
    }

    say("== What is refused");
    var wrong = new SegmentCreate()
        .name("Wrong")
        .conditions(group(
            GroupMode.ALL,
            rule("total_spent", RuleOperator.GTE, 100),
            group(GroupMode.ANY, rule("email", RuleOperator.IN_LAST_DAYS, 30))));
    say(refused(() -> segments.createSegment(wrong, null)));
    say(refused(() -> contacts.createContact(new ContactCreate().email("ada@example.com"), null)));
    say(refused(() -> new SegmentsApi(connect("tm_live_unknown")).listSegments(null, null, null)));

    say("== The end");
    for (var each : List.of(id, first.getId())) {
      say("Deleted: %s", yes(segments.deleteSegment(each, null).getData().getSuccess()));
    }
    say(refused(() -> segments.getSegment(id)));
  }
}
