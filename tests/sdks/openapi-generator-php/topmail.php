<?php

// A whole story with the client that openapi-generator makes from openapi/topmail.json in PHP.

declare(strict_types=1);

require __DIR__ . '/vendor/autoload.php';

use Acme\Topmail\Api\ContactsApi;
use Acme\Topmail\Api\ListsApi;
use Acme\Topmail\Api\SegmentsApi;
use Acme\Topmail\Api\TagsApi;
use Acme\Topmail\ApiException;
use Acme\Topmail\Configuration;
use Acme\Topmail\Model\Conditions;
use Acme\Topmail\Model\ContactCreate;
use Acme\Topmail\Model\ContactPatch;
use Acme\Topmail\Model\DryRun;
use Acme\Topmail\Model\GroupMode;
use Acme\Topmail\Model\ListCreate;
use Acme\Topmail\Model\NamedContacts;
use Acme\Topmail\Model\Rule;
use Acme\Topmail\Model\RuleOperator;
use Acme\Topmail\Model\SegmentCreate;
use Acme\Topmail\Model\SegmentPatch;
use Acme\Topmail\Model\TagCreate;

function connect(string $key): Configuration
{
    return (new Configuration())->setHost(getenv('DIGLOT_URL') . '/api/v1')->setAccessToken($key);
}

/** Prints the status of an answer that is an error, and what went wrong. */
function refused(callable $call): void
{
    try {
        $call();
    } catch (ApiException $refusal) {
        $error = $refusal->getResponseObject()->getError();
        $path = $error->getPath() === null ? '' : " ({$error->getPath()})";
        say('%d %s: %s%s', $refusal->getCode(), $error->getCode(), $error->getMessage(), $path);
        return;
    }
    exit("not refused\n");
}

function say(string $format, mixed ...$values): void
{
    echo sprintf($format, ...$values), "\n";
}

function yes(bool $true): string
{
    return $true ? 'yes' : 'no';
}

function daysAgo(int $days): DateTime
{
    return new DateTime("-$days days");
}

function addresses(array $contacts): string
{
    return implode(', ', array_map(fn ($one) => $one->getEmail(), $contacts));
}

function rule(string $field, string $operator, mixed $value): Rule
{
    return new Rule(['field' => $field, 'operator' => $operator, 'value' => $value]);
}

function group(string $mode, mixed ...$rules): Conditions
{
    return new Conditions(['match' => $mode, 'rules' => $rules]);
}

/** Prints a group of rules, and the groups in it. */
function show(object $group, string $indent = '  '): void
{
    say('%s%s', $indent, $group->getMatch());
    foreach ($group->getRules() as $item) {
        if ($item->getRules() === null) {
            say('%s  %s %s', $indent, $item->getField(), $item->getOperator());
        } else {
            show($item, "$indent  ");
        }
    }
}

/** Prints what each rule says of a contact. */
function showExplained(object $group, string $indent = '  '): void
{
    say('%s%s: %s', $indent, $group->getMatch(), yes($group->getMatches()));
    foreach ($group->getRules() as $item) {
        if ($rule = $item->getRule()) {
            say('%s  %s %s: %s', $indent, $rule->getField(), $rule->getOperator(), yes($item->getMatches()));
        } else {
            showExplained($item, "$indent  ");
        }
    }
}

$config = connect(getenv('DIGLOT_KEY'));
$contacts = new ContactsApi(config: $config);
$lists = new ListsApi(config: $config);
$segments = new SegmentsApi(config: $config);
$tags = new TagsApi(config: $config);

say('== Contacts');
$people = [
    new ContactCreate([
        'email' => 'ada@example.com',
        'first_name' => 'Ada',
        'tags' => ['vip', 'newsletter'],
        'total_spent' => 250.5,
        'last_opened_at' => daysAgo(3),
        'attributes' => ['plan' => 'pro', 'seats' => 5],
    ]),
    new ContactCreate([
        'email' => 'bob@example.com',
        'first_name' => 'Bob',
        'total_spent' => 99.5,
        'last_opened_at' => daysAgo(3),
        'attributes' => ['plan' => 'team', 'seats' => 12],
    ]),
    new ContactCreate([
        'email' => 'cleo@example.com',
        'first_name' => 'Cleo',
        'total_spent' => 400.5,
        'last_opened_at' => daysAgo(3),
        'attributes' => ['plan' => 'free'],
    ]),
    new ContactCreate([
        'email' => 'dan@example.com',
        'first_name' => 'Dan',
        'total_spent' => 120.5,
        'last_opened_at' => daysAgo(60),
        'attributes' => ['plan' => 'pro', 'seats' => 3],
    ]),
    new ContactCreate([
        'email' => 'eve@example.org',
        'first_name' => 'Eve',
        'tags' => ['newsletter'],
        'total_spent' => 150.5,
        'last_opened_at' => daysAgo(1),
        'attributes' => ['plan' => 'team', 'seats' => 8],
    ]),
    new ContactCreate([
        'email' => 'fay@example.com',
        'total_spent' => 500.5,
        'last_opened_at' => daysAgo(10),
        'attributes' => ['plan' => 'pro'],
    ]),
];
$ids = [];
foreach ($people as $person) {
    $contact = $contacts->createContact($person)->getData();
    $ids[$contact->getEmail()] = $contact->getId();
    $tagged = $contact->getTags();
    sort($tagged);
    say(
        '%s: %s, %s, plan %s, %s',
        $contact->getEmail(),
        $contact->getFirstName() ?? 'no name',
        implode(', ', $tagged) ?: 'no tags',
        $contact->getAttributes()['plan'],
        $contact->getStatus(),
    );
}
$emails = array_flip($ids);
say('Found by name: %s', addresses($contacts->listContacts(search: 'cleo')->getData()));

say('== A tag and a list');
$gold = $tags->createTag(new TagCreate(['name' => 'gold', 'color' => '#ffd700']))->getData();
$both = new NamedContacts(['contact_ids' => [$ids['cleo@example.com'], $ids['fay@example.com']]]);
say('Tagged %s: %d', $gold->getName(), $tags->addTagContacts($gold->getId(), $both)->getData()->getAdded());
$readers = $lists->createList(new ListCreate(['name' => 'Readers', 'description' => 'Who asked for it']))->getData();
$one = new NamedContacts(['contact_id' => $ids['cleo@example.com']]);
$joined = $lists->addListMembers($readers->getId(), $one)->getData();
say(
    '%s: %s, %s, %d member',
    $readers->getName(),
    $readers->getType(),
    $readers->getDescription(),
    $joined->getMemberCount(),
);
$cleo = $contacts->getContact($ids['cleo@example.com'])->getData();
$on = array_map(fn ($list) => $list->getName(), $cleo->getLists());
say('%s: %s, on %s', $cleo->getEmail(), implode(', ', $cleo->getTags()), implode(', ', $on));

say('== A segment with nested rules');
$segment = $segments->createSegment(new SegmentCreate([
    'name' => 'Spring buyers',
    'conditions' => group(
        GroupMode::ALL,
        rule('total_spent', RuleOperator::GTE, 100),
        rule('email', RuleOperator::ENDS_WITH, '@example.com'),
        rule('last_opened_at', RuleOperator::IN_LAST_DAYS, 30),
        group(
            GroupMode::ANY,
            rule('attributes.plan', RuleOperator::IN_LIST, ['pro', 'team']),
            rule('tags', RuleOperator::CONTAINS, 'gold'),
        ),
    ),
]))->getData();
say('%s: revision %d', $segment->getName(), $segment->getRevision());
show($segment->getConditions());

say('== Its members');
say('%d members', $segments->estimateSegment($segment->getId())->getData()->getCount());
foreach ([0, 2] as $offset) {
    $page = $segments->listSegmentContacts($segment->getId(), limit: 2, offset: $offset);
    $position = $page->getPagination();
    say(
        'From %d of %d: %s; more: %s',
        $position->getOffset(),
        $position->getTotal(),
        addresses($page->getData()),
        yes($position->getHasMore()),
    );
}

say('== A contact changes, and the count follows');
$patch = new ContactPatch(['total_spent' => 175.5]);
$bob = $contacts->updateContact($ids['bob@example.com'], $patch)->getData();
say('%s has spent %s', $bob->getEmail(), $bob->getTotalSpent());
say('%d members', $segments->estimateSegment($segment->getId())->getData()->getCount());

say('== What other rules would find');
$wider = group(
    GroupMode::ALL,
    rule('total_spent', RuleOperator::GTE, 100),
    rule('last_opened_at', RuleOperator::IN_LAST_DAYS, 30),
);
$try = new DryRun(['conditions' => $wider, 'segment_id' => $segment->getId()]);
$dry = $segments->dryRunSegment($try)->getData();
say(
    '%d in place of %d: %d would enter, %d would leave',
    $dry->getTotal(),
    $dry->getCurrentTotal(),
    $dry->getEntering(),
    $dry->getLeaving(),
);
say('Entering: %s', addresses($dry->getEnteringSample()));
foreach ($dry->getPredicates() as $counted) {
    $rule = $counted->getRule();
    say('%s: %s %s, true of %d', $counted->getPath(), $rule->getField(), $rule->getOperator(), $counted->getCount());
}

say('== Why one is no member');
$explained = $segments->explainSegment($segment->getId(), 'dan@example.com')->getData();
say('dan@example.com is a member: %s', yes($explained->getIsMember()));
showExplained($explained->getConditions());

say('== Other rules');
$patch = new SegmentPatch(['name' => 'Spring readers', 'conditions' => $wider]);
$segment = $segments->updateSegment($segment->getId(), $patch)->getData();
$count = $segments->estimateSegment($segment->getId())->getData()->getCount();
say('%s: %d members, revision %d', $segment->getName(), $count, $segment->getRevision());

say('== Who entered, and why');
$after = 0;
do {
    $changes = $segments->listSegmentChanges($segment->getId(), $after, 3);
    foreach ($changes->getData() as $change) {
        say('%s %s: %s', $emails[$change->getContactId()], $change->getChange(), $change->getCause());
    }
    $after = $changes->getPagination()->getThrough();
} while ($changes->getPagination()->getHasMore());

say('== A request that is sent again');
$draft = new SegmentCreate(['name' => 'Draft']);
$first = $segments->createSegment($draft, idempotency_key: 'a-draft')->getData();
$again = $segments->createSegment($draft, idempotency_key: 'a-draft')->getData();
say('The same segment: %s', yes($first->getId() === $again->getId()));
$another = new SegmentCreate(['name' => 'Another']);
refused(fn () => $segments->createSegment($another, idempotency_key: 'a-draft'));

say('== All segments');
foreach ([0, 1] as $offset) {
    $listed = $segments->listSegments(limit: 1, offset: $offset);
    [$item] = $listed->getData();
    say('%d of %d: %s', $offset + 1, $listed->getPagination()->getTotal(), $item->getName());
}

say('== What is refused');
$wrong = new SegmentCreate([
    'name' => 'Wrong',
    'conditions' => group(
        GroupMode::ALL,
        rule('total_spent', RuleOperator::GTE, 100),
        group(GroupMode::ANY, rule('email', RuleOperator::IN_LAST_DAYS, 30)),
    ),
]);
refused(fn () => $segments->createSegment($wrong));
refused(fn () => $contacts->createContact(new ContactCreate(['email' => 'ada@example.com'])));
refused(fn () => (new SegmentsApi(config: connect('tm_live_unknown')))->listSegments());

say('== The end');
foreach ([$segment->getId(), $first->getId()] as $id) {
    say('Deleted: %s', yes($segments->deleteSegment($id)->getData()->getSuccess()));
}
refused(fn () => $segments->getSegment($segment->getId()));
