#include "cli/ops_runbook.h"

namespace imgbuild {
namespace {

std::vector<const Machine*> own_web(const Runbook& book) {
  std::vector<const Machine*> machines;
  std::ranges::copy_if(book.ours(), std::back_inserter(machines), [](const Machine* machine) { return is_web(machine->role); });
  return machines;
}

std::vector<std::string> on_each(const Runbook& book, const std::vector<const Machine*>& machines, const std::string& command) {
  std::vector<std::string> lines;
  for (const Machine* machine : machines) lines.push_back(book.ssh(*machine, command));
  return lines;
}

void add_links_proven(Runbook& book) { book.code({book.imgbuild_peers("exchange"), book.imgbuild_peers("verify")}); }

void add_choice(Runbook& book) {
  book.add("## Restore\n\nA snapshot is older than what voters and peers know. Never restore one while a web server lives that has the votes: promote that "
           "one.\n");
  book.add("| what is lost | do |\n|---|---|");
  if (book.has_own_web() && book.web().size() > 1) {
    book.add("| a standby | [A standby is lost](#a-standby-is-lost) |");
    book.add("| the primary, and a standby lives | [Promotion](#promotion), then [A standby is lost](#a-standby-is-lost) |");
  }
  if (book.has_own_web()) {
    book.add("| every web server | [No web server is left](#no-web-server-is-left) |");
    book.add("| data, by mistake; the machines are well | [The database of an earlier moment](#the-database-of-an-earlier-moment) |");
  }
  for (const Machine* machine : book.ours()) {
    if (machine->role == kAuthorityRole) book.add("| {0} | [{0} is lost](#{0}-is-lost) |", machine->name);
  }
  book.add("");
}

/// A line that fails unless one of the others says that it is the primary; none if we can ask none.
std::vector<std::string> primary_is_another(const Runbook& book, const Machine& machine) {
  std::string asked;
  for (const Machine* other : own_web(book)) {
    if (other != &machine) asked += book.ssh(*other, "sudo appliance status") + " || true; ";
  }
  if (asked.empty()) return {};
  return {"{ " + asked + "} | grep '^acts as   primary'"};
}

void add_made_anew(Runbook& book, const Machine& machine) {
  book.add("#### {} anew\n", machine.name);
  if (!machine.public_ip.empty()) {
    book.add("`ami launch` gives it the address {}. If that was moved to the new primary, first take `public_ip` of {} out of `{}`, and make its "
             "seed:", machine.public_ip,
             machine.name, book.file());
    book.code({book.imgbuild("seed", "--machine " + machine.name)});
  }
  std::vector<std::string> lines = primary_is_another(book, machine);
  lines.insert(lines.end(), {"ID=" + book.instance_id(machine), "aws ec2 terminate-instances --instance-ids \"$ID\"",
                             "aws ec2 wait instance-terminated --instance-ids \"$ID\"",
                             book.imgbuild("ami launch " + machine.name, "--subnet \"$SUBNET\"")});
  book.steps(lines);
  book.add("If its instance is gone already, run the line `ami launch` alone. Then:");
  book.code({book.ssh(machine, "sudo appliance status")});
}

void add_standby(Runbook& book) {
  const std::vector<const Machine*> web = own_web(book);
  book.add("### A standby is lost\n\nNo snapshot: a new machine copies everything from the primary.\n");
  book.add("1. Take no voters to it: where the domain or the Elastic IP leads to it, lead them to the primary first. Be sure that it is not the primary, "
           "and that the primary is up:");
  book.code(on_each(book, web, "sudo appliance status"));
  book.add("A new {} that finds no primary takes itself for it, with an empty database.\n", kMasterRole);
  book.add("2. Votes hang until it is back. If that takes long: [A standby is dead](#a-standby-is-dead).\n");
  book.add("3. Make it anew, by its own block below and no other (EC2; elsewhere start a new machine with its image and its seed). The block stops if no "
           "other one is the primary.\n");
  for (const Machine* machine : web) add_made_anew(book, *machine);
  book.add("#### After it is there\n\n1. If its `status` does not become `ready     yes`, but says `superseded by` or waits for a machine that is not the "
           "primary now, then there:");
  book.code(on_each(book, web, "sudo appliance rejoin"));
  book.add("It must end with `NAME is a synchronous standby of` the primary, whose `status` must say `stream    sync`.\n");
  book.add("2. It knows no peers yet. Install and prove, see [the exchange](#exchange-of-peer-packages) for what is expected:");
  add_links_proven(book);
}

void add_no_web_left(Runbook& book) {
  const std::vector<const Machine*> web = own_web(book);
  book.add("### No web server is left\n\nWhat was voted after the snapshot is lost. Who is responsible for the election decides.\n");
  book.add("1. Take the Elastic IP or the DNS record of `{}` away: a machine opens its site by itself as soon as its selftest passes. Tell the trustees to "
           "begin nothing.", book.env().domain);
  add_way_closed(book, web);
  book.add("2. Stop every web server that still runs, and leave it so:");
  std::vector<std::string> stops;
  for (const Machine* machine : web) stops.push_back(fmt::format("aws ec2 stop-instances --instance-ids \"{}\"", book.instance_id(*machine)));
  book.code(stops);
  book.add("3. Restore the newest snapshot of the machine that was the primary last. If its instance is gone, first make one: `{}`, and step 1 again.\n",
           book.imgbuild("ami launch " + web.front()->name, "--subnet \"$SUBNET\""));
  for (const Machine* machine : web) {
    book.add("#### {} from a snapshot\n", machine->name);
    add_volume_restored(book, *machine);
    book.add("It must say `ready     yes` and `acts as   {}`, and `selftest` no line with `FAIL`. At `standby`: promote it, the others are off. At "
             "`fenced`: take a snapshot of another one.\n",
             book.web().size() > 1 ? "primary" : "alone");
  }
  book.add("#### After the snapshot\n");
  int number = 0;
  if (book.web().size() > 1) {
    book.add("{}. No voter is let in yet, so let it work alone, on the machine that was restored:", ++number);
    book.code(on_each(book, web, "sudo appliance degrade --yes"));
    book.add("{}. Make every other web server anew, see [A standby is lost](#a-standby-is-lost). Never start its old disk again and never `rejoin` it: it "
             "has a history that the", ++number);
    book.add("restored one does not have, on the same timeline, and `rejoin` would not turn that back.\n");
  }
  book.add("{}. Install the packages and prove every link:", ++number);
  add_links_proven(book);
  book.add("{}. Look at the votes with who is responsible. Then give the way back:", ++number);
  for (const Machine* machine : web) add_way_opened(book, *machine);
  if (web.size() > 1) book.add("To another machine than that: see [after every promotion](#after-every-promotion).\n");
}

void add_database(Runbook& book) {
  const std::vector<const Machine*> web = own_web(book);
  book.add("### The database of an earlier moment\n\nEverything after that moment is lost, votes too. Who is responsible for the election decides. On the "
           "primary and only there.\n");
  book.add("1. Take the Elastic IP or the DNS record of `{}` away.", book.env().domain);
  add_way_closed(book, web);
  book.add("2. On the primary list the base backups:");
  book.code(on_each(book, web, "sudo appliance backup --list"));
  book.add("3. NAME is one of that list, from before the moment. MOMENT is in UTC; `date -u +%Y-%m-%dT%H:%M:%SZ` prints the one of now. Without `--to` it "
           "goes to the end of the archive.");
  book.code({"NAME=", "MOMENT="});
  std::vector<std::string> restores;
  for (const Machine* machine : web) restores.push_back(book.ssh(*machine, "\"sudo appliance restore ${NAME:?} --to ${MOMENT:?}\""));
  book.add("On the primary and only there:");
  book.one_of(restores);
  book.add("It must say `restored NAME, timeline N`. If it fails the old database is back. The files in `/home/ballotbox/datastore` stay as they are.\n");
  int number = 3;
  if (book.web().size() > 1) {
    book.add("{}. Required: each other web server must follow anew. Until then commits wait for no standby:", ++number);
    book.code(on_each(book, web, "sudo appliance rejoin"));
    for (const Machine* machine : book.others()) {
      if (is_web(machine->role)) book.add("{} is kept by somebody else: there its keeper runs `sudo appliance rejoin`.\n", machine->name);
    }
  }
  book.add("{}. Look, and prove every link:", ++number);
  book.code(on_each(book, web, "\"sudo appliance status; sudo appliance selftest\""));
  book.code({book.imgbuild_peers("verify")});
  book.add("{}. Give the way back:", ++number);
  for (const Machine* machine : web) add_way_opened(book, *machine);
}

void add_authority(Runbook& book, const Machine& machine) {
  book.add("### {0} is lost\n\nNever terminate {0}: its share of the election's key is on its disk and nowhere else. If the disk lives, start the machine "
           "and restore nothing.", machine.name);
  book.add("Keys that were made after the snapshot are lost with it, and without them nobody can open the votes. Ask the other trustees first, all of them.\n");
  book.add("1. Take its Elastic IP or DNS record away. Its peers reach it at {}: have the other trustees begin nothing until step 4.", machine.private_ip);
  add_way_closed(book, {&machine});
  book.add("2. Restore the newest snapshot, see above what may be lost.\n");
  add_volume_restored(book, machine);
  book.add("It must say `ready     yes`, and `selftest` no line with `FAIL`.\n");
  book.add("3. Have the payload say which keys it holds, and compare with what the other trustees have. If one is missing, stop and tell them.\n");
  book.add("4. Install the packages and prove every link. Then give the way back:");
  add_links_proven(book);
  add_way_opened(book, machine);
}

}  // namespace

void add_restore(Runbook& book) {
  add_choice(book);
  if (book.has_own_web() && book.web().size() > 1) add_standby(book);
  if (book.has_own_web()) add_no_web_left(book);
  if (book.has_own_web()) add_database(book);
  for (const Machine* machine : book.ours()) {
    if (machine->role == kAuthorityRole) add_authority(book, *machine);
  }
}

}  // namespace imgbuild
