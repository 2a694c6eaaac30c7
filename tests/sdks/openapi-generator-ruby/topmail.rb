# A whole story with the client that openapi-generator makes from openapi/topmail.json in Ruby.

# frozen_string_literal: true

$LOAD_PATH.unshift File.join(__dir__, 'topmail-ruby', 'lib')

require 'json'
require 'time'
require 'uri'
require 'diglot_topmail'

include DiglotTopmail

def connect(key)
  address = URI(ENV.fetch('DIGLOT_URL'))
  ApiClient.new(Configuration.new do |config|
    config.scheme = address.scheme
    config.host = "#{address.host}:#{address.port}"
    config.base_path = '/api/v1'
    config.access_token = key
  end)
end

# Prints an answer that is an error.
def refused
  yield
rescue ApiError => refusal
  error = ErrorBody.build_from_hash(JSON.parse(refusal.response_body, symbolize_names: true))
  path = error.error.path ? " (#{error.error.path})" : ''
  puts "#{refusal.code} #{error.error.code}: #{error.error.message}#{path}"
else
  abort 'not refused'
end

def yes(truth)
  truth ? 'yes' : 'no'
end

def days_ago(days)
  (Time.now.utc - days * 24 * 60 * 60).iso8601
end

def addresses(contacts)
  contacts.map(&:email).join(', ')
end

def rule(field, operator, value)
  Rule.new(field: field, operator: operator, value: value)
end

def group(mode, *rules)
  Conditions.new(match: mode, rules: rules)
end

# Prints a group of rules, and the groups in it.
def show(group, indent = '  ')
  puts "#{indent}#{group.match}"
  group.rules.each do |item|
    if item.is_a?(Conditions)
      show(item, "#{indent}  ")
    else
      puts "#{indent}  #{item.field} #{item.operator}"
    end
  end
end

# Prints what each rule says of a contact.
def show_explained(group, indent = '  ')
  puts "#{indent}#{group.match}: #{yes(group.matches)}"
  group.rules.each do |item|
    if item.is_a?(ExplainedGroup)
      show_explained(item, "#{indent}  ")
    else
      puts "#{indent}  #{item.rule.field} #{item.rule.operator}: #{yes(item.matches)}"
    end
  end
end

client = connect(ENV.fetch('DIGLOT_KEY'))
contacts = ContactsApi.new(client)
lists = ListsApi.new(client)
segments = SegmentsApi.new(client)
tags = TagsApi.new(client)

puts '== Contacts'
people = [
  ContactCreate.new(
    email: 'ada@example.com', first_name: 'Ada', tags: %w[vip newsletter], total_spent: 250.5,
    last_opened_at: days_ago(3), attributes: { plan: 'pro', seats: 5 }
  ),
  ContactCreate.new(
    email: 'bob@example.com', first_name: 'Bob', total_spent: 99.5,
    last_opened_at: days_ago(3), attributes: { plan: 'team', seats: 12 }
  ),
  ContactCreate.new(
    email: 'cleo@example.com', first_name: 'Cleo', total_spent: 400.5,
    last_opened_at: days_ago(3), attributes: { plan: 'free' }
  ),
  ContactCreate.new(
    email: 'dan@example.com', first_name: 'Dan', total_spent: 120.5,
    last_opened_at: days_ago(60), attributes: { plan: 'pro', seats: 3 }
  ),
  ContactCreate.new(
    email: 'eve@example.org', first_name: 'Eve', tags: ['newsletter'], total_spent: 150.5,
    last_opened_at: days_ago(1), attributes: { plan: 'team', seats: 8 }
  ),
  ContactCreate.new(
    email: 'fay@example.com', total_spent: 500.5, last_opened_at: days_ago(10), attributes: { plan: 'pro' }
  )
]
ids = {}
people.each do |person|
  contact = contacts.create_contact(person).data
  ids[contact.email] = contact.id
  name = contact.first_name || 'no name'
  tagged = contact.tags.empty? ? 'no tags' : contact.tags.sort.join(', ')
  puts "#{contact.email}: #{name}, #{tagged}, plan #{contact.attributes['plan']}, #{contact.status}"
end
emails = ids.invert
puts "Found by name: #{addresses(contacts.list_contacts(search: 'cleo').data)}"

puts '== A tag and a list'
gold = tags.create_tag(TagCreate.new(name: 'gold', color: '#ffd700')).data
both = NamedContacts.new(contact_ids: [ids['cleo@example.com'], ids['fay@example.com']])
puts "Tagged #{gold.name}: #{tags.add_tag_contacts(gold.id, both).data.added}"
readers = lists.create_list(ListCreate.new(name: 'Readers', description: 'Who asked for it')).data
joined = lists.add_list_members(readers.id, NamedContacts.new(contact_id: ids['cleo@example.com'])).data
puts "#{readers.name}: #{readers.type}, #{readers.description}, #{joined.member_count} member"
cleo = contacts.get_contact(ids['cleo@example.com']).data
puts "#{cleo.email}: #{cleo.tags.join(', ')}, on #{cleo.lists.map(&:name).join(', ')}"

puts '== A segment with nested rules'
segment = segments.create_segment(SegmentCreate.new(
  name: 'Spring buyers',
  conditions: group(
    GroupMode::ALL,
    rule('total_spent', RuleOperator::GTE, 100),
    rule('email', RuleOperator::ENDS_WITH, '@example.com'),
    rule('last_opened_at', RuleOperator::IN_LAST_DAYS, 30),
    group(
      GroupMode::ANY,
      rule('attributes.plan', RuleOperator::IN_LIST, %w[pro team]),
      rule('tags', RuleOperator::CONTAINS, 'gold')
    )
  )
)).data
puts "#{segment.name}: revision #{segment.revision}"
show(segment.conditions)

puts '== Its members'
puts "#{segments.estimate_segment(segment.id).data.count} members"
[0, 2].each do |offset|
  page = segments.list_segment_contacts(segment.id, limit: 2, offset: offset)
  position = page.pagination
  more = yes(position.has_more)
  puts "From #{position.offset} of #{position.total}: #{addresses(page.data)}; more: #{more}"
end

puts '== A contact changes, and the count follows'
bob = contacts.update_contact(ids['bob@example.com'], ContactPatch.new(total_spent: 175.5)).data
puts "#{bob.email} has spent #{bob.total_spent}"
puts "#{segments.estimate_segment(segment.id).data.count} members"

puts '== What other rules would find'
wider = group(
  GroupMode::ALL,
  rule('total_spent', RuleOperator::GTE, 100),
  rule('last_opened_at', RuleOperator::IN_LAST_DAYS, 30)
)
dry = segments.dry_run_segment(DryRun.new(conditions: wider, segment_id: segment.id)).data
puts "#{dry.total} in place of #{dry.current_total}: #{dry.entering} would enter, #{dry.leaving} would leave"
puts "Entering: #{addresses(dry.entering_sample)}"
dry.predicates.each do |counted|
  asked = counted.rule
  puts "#{counted.path}: #{asked.field} #{asked.operator}, true of #{counted.count}"
end

puts '== Why one is no member'
explained = segments.explain_segment(segment.id, 'dan@example.com').data
puts "dan@example.com is a member: #{yes(explained.is_member)}"
show_explained(explained.conditions)

puts '== Other rules'
patch = SegmentPatch.new(name: 'Spring readers', conditions: wider)
segment = segments.update_segment(segment.id, patch).data
puts "#{segment.name}: #{segments.estimate_segment(segment.id).data.count} members, revision #{segment.revision}"

puts '== Who entered, and why'
after = 0
loop do
  changes = segments.list_segment_changes(segment.id, after: after, limit: 3)
  changes.data.each { |change| puts "#{emails[change.contact_id]} #{change.change}: #{change.cause}" }
  after = changes.pagination.through
  break unless changes.pagination.has_more
end

puts '== A request that is sent again'
first = segments.create_segment(SegmentCreate.new(name: 'Draft'), idempotency_key: 'a-draft').data
again = segments.create_segment(SegmentCreate.new(name: 'Draft'), idempotency_key: 'a-draft').data
puts "The same segment: #{yes(first.id == again.id)}"
another = SegmentCreate.new(name: 'Another')
refused { segments.create_segment(another, idempotency_key: 'a-draft') }

puts '== All segments'
[0, 1].each do |offset|
  listed = segments.list_segments(limit: 1, offset: offset)
  puts "#{offset + 1} of #{listed.pagination.total}: #{listed.data.first.name}"
end

puts '== What is refused'
wrong = SegmentCreate.new(
  name: 'Wrong',
  conditions: group(
    GroupMode::ALL,
    rule('total_spent', RuleOperator::GTE, 100),
    group(GroupMode::ANY, rule('email', RuleOperator::IN_LAST_DAYS, 30))
  )
)
refused { segments.create_segment(wrong) }
refused { contacts.create_contact(ContactCreate.new(email: 'ada@example.com')) }
refused { SegmentsApi.new(connect('tm_live_unknown')).list_segments }

puts '== The end'
[segment.id, first.id].each { |id| puts "Deleted: #{yes(segments.delete_segment(id).data.success)}" }
refused { segments.get_segment(segment.id) }
