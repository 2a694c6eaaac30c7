/** A whole story with the client that OpenAPI Generator (typescript-fetch) makes from openapi/misar.json. */

import {
  Configuration,
  ContactCreate,
  ContactsApi,
  ErrorBodyFromJSON,
  ExplainedGroup,
  FilterCriteria,
  GroupMode,
  ResponseError,
  RuleOperator,
  SegmentsApi,
  SegmentType,
} from "./misar-typescript";

const configuration = new Configuration({
  basePath: process.env.DIGLOT_URL,
  accessToken: process.env.DIGLOT_KEY,
});
const contacts = new ContactsApi(configuration);
const segments = new SegmentsApi(configuration);

const yes = (truth: boolean): string => (truth ? "yes" : "no");
const daysAgo = (days: number): Date => new Date(Date.now() - days * 24 * 60 * 60 * 1000);

/** Prints a group of rules, and the groups in it. */
function show(criteria: FilterCriteria, indent = "  "): void {
  console.log(`${indent}${criteria.operator ?? GroupMode.And}`);
  for (const item of criteria.rules) {
    if ("rules" in item) {
      show(item, indent + "  ");
    } else {
      console.log(`${indent}  ${item.field} ${item.operator}`);
    }
  }
}

/** Prints what each rule says of a contact. */
function showExplained(group: ExplainedGroup, indent = "  "): void {
  console.log(`${indent}${group.operator}: ${yes(group.matches)}`);
  for (const item of group.rules) {
    if ("rules" in item) {
      showExplained(item, indent + "  ");
    } else {
      console.log(`${indent}  ${item.rule.field} ${item.rule.operator}: ${yes(item.matches)}`);
    }
  }
}

/** Prints what is answered to a request that is refused. */
async function refused(request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!(error instanceof ResponseError)) {
      throw error;
    }
    const fault = ErrorBodyFromJSON(await error.response.json());
    console.log(`${error.response.status}: ${fault.error}`);
    for (const [field, faults] of Object.entries(fault.details?.fieldErrors ?? {})) {
      for (const one of faults) {
        console.log(`  ${field}: ${one}`);
      }
    }
  }
}

async function main(): Promise<void> {
  console.log("== Contacts");
  const people: ContactCreate[] = [
    {
      email: "ada@example.com",
      firstName: "Ada",
      tags: ["vip", "newsletter"],
      totalSpent: 250.5,
      lastOpenedAt: daysAgo(3),
      customFields: { plan: "pro", seats: 5 },
    },
    {
      email: "bob@example.com",
      firstName: "Bob",
      totalSpent: 99.5,
      lastOpenedAt: daysAgo(3),
      customFields: { plan: "team", seats: 12 },
    },
    {
      email: "cleo@example.com",
      firstName: "Cleo",
      tags: ["vip"],
      totalSpent: 400.5,
      lastOpenedAt: daysAgo(3),
      customFields: { plan: "free" },
    },
    {
      email: "dan@example.com",
      firstName: "Dan",
      totalSpent: 120.5,
      lastOpenedAt: daysAgo(60),
      customFields: { plan: "pro", seats: 3 },
    },
    {
      email: "eve@example.org",
      firstName: "Eve",
      tags: ["newsletter"],
      totalSpent: 150.5,
      lastOpenedAt: daysAgo(1),
      customFields: { plan: "team", seats: 8 },
    },
    {
      email: "fay@example.com",
      totalSpent: 500.5,
      lastOpenedAt: daysAgo(10),
      customFields: { plan: "pro" },
    },
  ];
  const ids = new Map<string, string>();
  const emails = new Map<string | null, string>();
  for (const person of people) {
    const contact = (await contacts.createContact({ contactCreate: person })).data;
    ids.set(contact.email, contact.id);
    emails.set(contact.id, contact.email);
    const name = contact.firstName ?? "no name";
    const tags = [...contact.tags].sort().join(", ") || "no tags";
    console.log(`${contact.email}: ${name}, ${tags}, plan ${contact.customFields.plan}, ${contact.status}`);
  }
  const found = await contacts.listContacts({ search: "cleo" });
  console.log(`Found by name: ${found.data.map((one) => one.email).join(", ")}`);

  console.log("== A segment with nested rules");
  let segment = (
    await segments.createSegment({
      segmentCreate: {
        name: "Spring buyers",
        segmentType: SegmentType.Dynamic,
        description: "Who buys, and reads",
        filterCriteria: {
          operator: GroupMode.And,
          rules: [
            { field: "total_spent", operator: RuleOperator.Gte, value: 100 },
            { field: "email", operator: RuleOperator.EndsWith, value: "@example.com" },
            { field: "last_opened_at", operator: RuleOperator.InLastDays, value: 30 },
            {
              operator: GroupMode.Or,
              rules: [
                { field: "custom_fields.plan", operator: RuleOperator.In, value: ["pro", "team"] },
                { field: "tags", operator: RuleOperator.Contains, value: "vip" },
              ],
            },
          ],
        },
      },
    })
  ).data;
  console.log(
    `${segment.name}: ${segment.segmentType}, ${segment.description}, revision ${segment.revision}`,
  );
  show(segment.filterCriteria);

  console.log("== Its members");
  const preview = (await segments.previewSegment({ segmentId: segment.id })).data;
  console.log(`${preview.totalMatching}, such as ${preview.contacts.map((one) => one.email).join(", ")}`);
  for (const number of [1, 2]) {
    const page = await segments.listSegmentMembers({ segmentId: segment.id, page: number, limit: 2 });
    const shown = page.data.contactIds.map((id) => emails.get(id)).join(", ");
    console.log(`Page ${page.pagination.page} of ${page.pagination.totalPages}: ${shown}`);
  }

  console.log("== A contact changes, and the count follows");
  const bob = (
    await contacts.updateContact({
      contactId: ids.get("bob@example.com")!,
      contactPatch: { totalSpent: 175.5 },
    })
  ).data;
  console.log(`${bob.email} has spent ${bob.totalSpent}`);
  console.log(`${(await segments.getSegment({ segmentId: segment.id })).data.contactCount} members`);

  console.log("== What other rules would find");
  const wider: FilterCriteria = {
    operator: GroupMode.And,
    rules: [
      { field: "total_spent", operator: RuleOperator.Gte, value: 100 },
      { field: "last_opened_at", operator: RuleOperator.InLastDays, value: 30 },
    ],
  };
  const dry = (await segments.dryRunSegment({ dryRun: { filterCriteria: wider, segmentId: segment.id } }))
    .data;
  console.log(
    `${dry.total} in place of ${dry.currentTotal}: ${dry.entering} would enter, ${dry.leaving} would leave`,
  );
  console.log(`Entering: ${dry.enteringSample?.map((one) => one.email).join(", ")}`);
  for (const counted of dry.predicates) {
    const { field, operator } = counted.rule;
    console.log(`${counted.path}: ${field} ${operator}, true of ${counted.count}`);
  }

  console.log("== Why one is no member");
  const explained = (await segments.explainSegment({ segmentId: segment.id, contact: "dan@example.com" }))
    .data;
  console.log(`dan@example.com is a member: ${yes(explained.isMember)}`);
  if (explained.filterCriteria !== null) {
    showExplained(explained.filterCriteria);
  }

  console.log("== Other rules");
  segment = (
    await segments.updateSegment({
      segmentId: segment.id,
      segmentPatch: { name: "Spring readers", filterCriteria: wider },
    })
  ).data;
  console.log(`${segment.name}: ${segment.contactCount} members, revision ${segment.revision}`);

  console.log("== Who entered, and why");
  let after = 0;
  for (let more = true; more;) {
    const changes = await segments.listSegmentChanges({ segmentId: segment.id, after, limit: 3 });
    for (const change of changes.data) {
      console.log(`${emails.get(change.contactId)} ${change.change}: ${change.cause}`);
    }
    after = changes.pagination.through;
    more = changes.pagination.hasMore;
  }

  console.log("== A request that is sent again");
  const draft = { name: "Draft", segmentType: SegmentType.Dynamic, filterCriteria: { rules: [] } };
  const idempotencyKey = "a-draft";
  const first = (await segments.createSegment({ segmentCreate: draft, idempotencyKey })).data;
  const again = (await segments.createSegment({ segmentCreate: draft, idempotencyKey })).data;
  console.log(`The same segment: ${yes(first.id === again.id)}`);
  const other = { ...draft, name: "Another" };
  await refused(segments.createSegment({ segmentCreate: other, idempotencyKey }));

  console.log("== All segments");
  for (const number of [1, 2]) {
    const listed = (await segments.listSegments({ page: number, limit: 1 })).data;
    const item = listed.segments[0];
    console.log(`${number} of ${listed.pagination.totalPages}: ${item.name}, ${item.contactCount} members`);
  }

  console.log("== What is refused");
  const wrong: FilterCriteria = {
    operator: GroupMode.And,
    rules: [
      { field: "total_spent", operator: RuleOperator.Gte, value: "many" },
      {
        operator: GroupMode.Or,
        rules: [{ field: "email", operator: RuleOperator.InLastDays, value: 30 }],
      },
    ],
  };
  await refused(
    segments.createSegment({ segmentCreate: { ...draft, name: "Wrong", filterCriteria: wrong } }),
  );
  await refused(contacts.createContact({ contactCreate: { email: "ada@example.com" } }));
  const stranger = new Configuration({ basePath: process.env.DIGLOT_URL, accessToken: "msk_unknown" });
  await refused(new SegmentsApi(stranger).listSegments());

  console.log("== The end");
  for (const segmentId of [segment.id, first.id]) {
    console.log(`Deleted: ${yes((await segments.deleteSegment({ segmentId })).success)}`);
  }
  await refused(segments.getSegment({ segmentId: segment.id }));
}

void main();
