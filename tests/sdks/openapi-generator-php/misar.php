<?php

// A whole story with the client that openapi-generator makes from openapi/misar.json in PHP.

declare(strict_types=1);

require __DIR__ . '/vendor/autoload.php';

use Acme\Misar\Api\ContactsApi;
use Acme\Misar\Api\SegmentsApi;
use Acme\Misar\ApiException;
use Acme\Misar\Configuration;
use Acme\Misar\Model\ContactCreate;
use Acme\Misar\Model\ContactPatch;
use Acme\Misar\Model\DryRun;
use Acme\Misar\Model\FilterCriteria;
use Acme\Misar\Model\GroupMode;
use Acme\Misar\Model\Rule;
use Acme\Misar\Model\RuleOperator;
use Acme\Misar\Model\SegmentCreate;
use Acme\Misar\Model\SegmentPatch;
use Acme\Misar\Model\SegmentType;

function connect(string $key): Configuration
{
    return (new Configuration())->setHost(getenv('DIGLOT_URL'))->setAccessToken($key);
}

/** Prints the status and the message of an answer that is an error, and returns its body. */
function refused(callable $call): object
{
    try {
        $call();
    } catch (ApiException $refusal) {
        $error = $refusal->getResponseObject();
        say('%d: %s', $refusal->getCode(), $error->getError());
        return $error;
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

function group(string $mode, mixed ...$rules): FilterCriteria
{
    return new FilterCriteria(['operator' => $mode, 'rules' => $rules]);
}

/** Prints a group of rules, and the groups in it. */
function show(string $mode, array $rules, string $indent = '  '): void
{
    say('%s%s', $indent, $mode);
    foreach ($rules as $item) {
        if (isset($item->rules)) {
            show($item->operator, $item->rules, "$indent  ");
        } else {
            say('%s  %s %s', $indent, $item->field, $item->operator);
        }
    }
}

/** Prints what each rule says of a contact. */
function showExplained(object $group, string $indent = '  '): void
{
    say('%s%s: %s', $indent, $group->getOperator(), yes($group->getMatches()));
    foreach ($group->getRules() as $item) {
        if ($rule = $item->getRule()) {
            say('%s  %s %s: %s', $indent, $rule->getField(), $rule->getOperator(), yes($item->getMatches()));
        } else {
            showExplained($item, "$indent  ");
        }
    }
}

$contacts = new ContactsApi(config: connect(getenv('DIGLOT_KEY')));
$segments = new SegmentsApi(config: connect(getenv('DIGLOT_KEY')));

say('== Contacts');
$people = [
    new ContactCreate([
        'email' => 'ada@example.com',
        'first_name' => 'Ada',
        'tags' => ['vip', 'newsletter'],
        'total_spent' => 250.5,
        'last_opened_at' => daysAgo(3),
        'custom_fields' => ['plan' => 'pro', 'seats' => 5],
    ]),
    new ContactCreate([
        'email' => 'bob@example.com',
        'first_name' => 'Bob',
        'total_spent' => 99.5,
        'last_opened_at' => daysAgo(3),
        'custom_fields' => ['plan' => 'team', 'seats' => 12],
    ]),
    new ContactCreate([
        'email' => 'cleo@example.com',
        'first_name' => 'Cleo',
        'tags' => ['vip'],
        'total_spent' => 400.5,
        'last_opened_at' => daysAgo(3),
        'custom_fields' => ['plan' => 'free'],
    ]),
    new ContactCreate([
        'email' => 'dan@example.com',
        'first_name' => 'Dan',
        'total_spent' => 120.5,
        'last_opened_at' => daysAgo(60),
        'custom_fields' => ['plan' => 'pro', 'seats' => 3],
    ]),
    new ContactCreate([
        'email' => 'eve@example.org',
        'first_name' => 'Eve',
        'tags' => ['newsletter'],
        'total_spent' => 150.5,
        'last_opened_at' => daysAgo(1),
        'custom_fields' => ['plan' => 'team', 'seats' => 8],
    ]),
    new ContactCreate([
        'email' => 'fay@example.com',
        'total_spent' => 500.5,
        'last_opened_at' => daysAgo(10),
        'custom_fields' => ['plan' => 'pro'],
    ]),
];
$ids = [];
foreach ($people as $person) {
    $contact = $contacts->createContact($person)->getData();
    $ids[$contact->getEmail()] = $contact->getId();
    $tags = $contact->getTags();
    sort($tags);
    say(
        '%s: %s, %s, plan %s, %s',
        $contact->getEmail(),
        $contact->getFirstName() ?? 'no name',
        implode(', ', $tags) ?: 'no tags',
        $contact->getCustomFields()['plan'],
        $contact->getStatus(),
    );
}
$emails = array_flip($ids);
say('Found by name: %s', addresses($contacts->listContacts(search: 'cleo')->getData()));

say('== A segment with nested rules');
$segment = $segments->createSegment(new SegmentCreate([
    'name' => 'Spring buyers',
    'segment_type' => SegmentType::DYNAMIC,
    'description' => 'Who buys, and reads',
    'filter_criteria' => group(
        GroupMode::_AND,
        rule('total_spent', RuleOperator::GTE, 100),
        rule('email', RuleOperator::ENDS_WITH, '@example.com'),
        rule('last_opened_at', RuleOperator::IN_LAST_DAYS, 30),
        group(
            GroupMode::_OR,
            rule('custom_fields.plan', RuleOperator::IN, ['pro', 'team']),
            rule('tags', RuleOperator::CONTAINS, 'vip'),
        ),
    ),
]))->getData();
say(
    '%s: %s, %s, revision %d',
    $segment->getName(),
    $segment->getSegmentType(),
    $segment->getDescription(),
    $segment->getRevision(),
);
show($segment->getFilterCriteria()->getOperator(), $segment->getFilterCriteria()->getRules());

say('== Its members');
$preview = $segments->previewSegment($segment->getId())->getData();
say('%d, such as %s', $preview->getTotalMatching(), addresses($preview->getContacts()));
foreach ([1, 2] as $number) {
    $page = $segments->listSegmentMembers($segment->getId(), page: $number, limit: 2);
    $shown = array_map(fn ($id) => $emails[$id], $page->getData()->getContactIds());
    $position = $page->getPagination();
    say('Page %d of %d: %s', $position->getPage(), $position->getTotalPages(), implode(', ', $shown));
}

say('== A contact changes, and the count follows');
$patch = new ContactPatch(['total_spent' => 175.5]);
$bob = $contacts->updateContact($ids['bob@example.com'], $patch)->getData();
say('%s has spent %s', $bob->getEmail(), $bob->getTotalSpent());
say('%d members', $segments->getSegment($segment->getId())->getData()->getContactCount());

say('== What other rules would find');
$wider = group(
    GroupMode::_AND,
    rule('total_spent', RuleOperator::GTE, 100),
    rule('last_opened_at', RuleOperator::IN_LAST_DAYS, 30),
);
$try = new DryRun(['filter_criteria' => $wider, 'segment_id' => $segment->getId()]);
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
showExplained($explained->getFilterCriteria());

say('== Other rules');
$patch = new SegmentPatch(['name' => 'Spring readers', 'filter_criteria' => $wider]);
$segment = $segments->updateSegment($segment->getId(), $patch)->getData();
say('%s: %d members, revision %d', $segment->getName(), $segment->getContactCount(), $segment->getRevision());

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
$nobody = new FilterCriteria(['rules' => []]);
$draft = ['name' => 'Draft', 'segment_type' => SegmentType::DYNAMIC, 'filter_criteria' => $nobody];
$first = $segments->createSegment(new SegmentCreate($draft), idempotency_key: 'a-draft')->getData();
$again = $segments->createSegment(new SegmentCreate($draft), idempotency_key: 'a-draft')->getData();
say('The same segment: %s', yes($first->getId() === $again->getId()));
$another = new SegmentCreate(['name' => 'Another'] + $draft);
refused(fn () => $segments->createSegment($another, idempotency_key: 'a-draft'));

say('== All segments');
foreach ([1, 2] as $number) {
    $listed = $segments->listSegments(page: $number, limit: 1)->getData();
    [$item] = $listed->getSegments();
    $pages = $listed->getPagination()->getTotalPages();
    say('%d of %d: %s, %d members', $number, $pages, $item->getName(), $item->getContactCount());
}

say('== What is refused');
$wrong = new SegmentCreate([
    'name' => 'Wrong',
    'segment_type' => SegmentType::DYNAMIC,
    'filter_criteria' => group(
        GroupMode::_AND,
        rule('total_spent', RuleOperator::GTE, 'many'),
        group(GroupMode::_OR, rule('email', RuleOperator::IN_LAST_DAYS, 30)),
    ),
]);
$error = refused(fn () => $segments->createSegment($wrong));
foreach ($error->getDetails()->getFieldErrors() as $field => $faults) {
    foreach ($faults as $fault) {
        say('  %s: %s', $field, $fault);
    }
}
refused(fn () => $contacts->createContact(new ContactCreate(['email' => 'ada@example.com'])));
refused(fn () => (new SegmentsApi(config: connect('msk_unknown')))->listSegments());

say('== The end');
foreach ([$segment->getId(), $first->getId()] as $id) {
    say('Deleted: %s', yes($segments->deleteSegment($id)->getSuccess()));
}
refused(fn () => $segments->getSegment($segment->getId()));
