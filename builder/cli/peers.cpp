#include <fmt/ranges.h>

#include <algorithm>
#include <ctime>
#include <optional>

#include "cli/commands.h"
#include "cli/confirm.h"
#include "cli/peers_report.h"
#include "peers/fingerprint.h"
#include "peers/install.h"
#include "peers/prove.h"
#include "recipe/read.h"
#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

struct PeersOptions {
  fs::path environment;
  CollectOptions collect;
  SshOptions ssh;
  std::optional<fs::path> write;
  std::optional<fs::path> fingerprints;
  std::optional<std::string> keystore;
  enum class Yes { no, yes } yes = Yes::no;
};

std::vector<const Machine*> machines_at_ssh(const std::vector<Peer>& peers) {
  std::vector<const Machine*> machines;
  for (const Peer& peer : peers) {
    if (peer.access == Peer::Access::ssh) machines.push_back(peer.machine);
  }
  return machines;
}

Environment read_deployment(const fs::path& file) {
  Problems problems;
  Environment environment = read_environment(find_project(), file, problems);
  problems.throw_if_any();
  return environment;
}

/// Everything that can be wrong here is found before a machine is asked.
class Run {
 public:
  Run(Session& session, const PeersOptions& options)
      : session_(session),
        options_(options),
        environment_(read_deployment(options.environment)),
        peers_(list_peers(environment_, options.collect)),
        ssh_(environment_, machines_at_ssh(peers_), options.ssh, session.runner()) {}

  void show();
  void verify();
  void exchange();

 private:
  void collect_packages() { collect(peers_, environment_, ssh_, options_.collect, session_.status()); }
  void check_fingerprints(const std::map<std::string, std::string>& known, const std::vector<const PeerPackage*>& fresh) const;
  void confirm_packages(const std::map<std::string, std::string>& known, const std::vector<const PeerPackage*>& fresh);
  void report(const std::vector<Installation>& installations, const std::vector<Link>& links);
  void write_files();
  void end_with(std::vector<std::string> wrong, const std::vector<Link>& links, const std::string& command);
  void print(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) session_.print(line);
  }
  void note(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) session_.status().note(line);
  }

  Session& session_;
  const PeersOptions& options_;
  Environment environment_;
  std::vector<Peer> peers_;
  Ssh ssh_;
};

void Run::show() {
  collect_packages();
  if (options_.write) {
    for (const fs::path& path : write_packages(peers_, *options_.write)) session_.status().note("wrote " + path.native());
  }
  if (session_.output == Session::Output::json) {
    session_.print(Json{{"deployment", environment_.deployment}, {"peers", peers_json(peers_)}}.dump());
  } else {
    for (const Peer& peer : peers_) {
      if (peer.package) print(package_lines(*peer.machine, *peer.package));
    }
  }
  for (const std::string& name : missing_packages(peers_)) {
    session_.status().note(name + ": is external: say --external to ask it, or --package FILE");
  }
  const std::vector<std::string> troubles = trouble_lines(peers_);
  if (!troubles.empty()) throw Error(ExitCode::not_ready, "{}", fmt::join(troubles, "\n"));
}

void Run::end_with(std::vector<std::string> wrong, const std::vector<Link>& links, const std::string& command) {
  const auto count = [&](Link::Verdict verdict) {
    return std::ranges::count_if(links, [&](const Link& link) { return link.verdict == verdict; });
  };
  const auto failed = count(Link::Verdict::failed);
  const auto untried = count(Link::Verdict::not_tried);
  const bool is_wrong = !wrong.empty() || failed > 0;
  if (!is_wrong && untried == 0) return;
  for (const std::string& line : trouble_lines(peers_)) wrong.push_back(line);
  for (const std::string& name : missing_packages(peers_)) {
    wrong.push_back(name + ": is external, and its package is missing: say --package FILE, or --external to ask it");
  }
  if (failed > 0) wrong.push_back(fmt::format("{} of {} links failed", failed, links.size()));
  if (untried > 0) wrong.push_back(fmt::format("{} of {} links could not be tried", untried, links.size()));
  throw Error(is_wrong ? ExitCode::verification_failed : ExitCode::not_ready, "{}", fmt::join(wrong, "\n"))
      .set_hint(fmt::format("afterwards run again: imgbuild peers {} --env {}", command, options_.environment.native()));
}

void Run::verify() {
  collect_packages();
  const std::vector<Link> links = prove(peers_, environment_, ssh_, session_.status());
  const std::vector<std::string> wrong = differences(peers_, environment_);
  if (session_.output == Session::Output::json) {
    session_.print(Json{{"deployment", environment_.deployment},
                        {"peers", peers_json(peers_)},
                        {"differences", wrong},
                        {"links", links_json(links)}}
                       .dump());
  } else {
    print(link_lines(links));
  }
  end_with(wrong, links, "verify");
}

void Run::check_fingerprints(const std::map<std::string, std::string>& known, const std::vector<const PeerPackage*>& fresh) const {
  std::vector<std::string> wrong;
  const std::string file = options_.fingerprints->native();
  for (const Peer& peer : peers_) {
    const auto line = known.find(peer.machine->name);
    if (!peer.package || line == known.end() || line->second == peer.package->facts.fingerprint) continue;
    wrong.push_back(fmt::format("{}: shows a certificate with fingerprint {}, but '{}' says {}", peer.machine->name,
                                peer.package->facts.fingerprint, file, line->second));
  }
  for (const PeerPackage* package : fresh) {
    if (!known.contains(package->hostname)) wrong.push_back(fmt::format("{}: '{}' has no fingerprint of it", package->hostname, file));
  }
  if (!wrong.empty()) throw Error(ExitCode::verification_failed, "{}", fmt::join(wrong, "\n")).set_hint("nothing was installed");
}

void Run::confirm_packages(const std::map<std::string, std::string>& known, const std::vector<const PeerPackage*>& fresh) {
  if (options_.fingerprints) check_fingerprints(known, fresh);
  session_.forget_stage();
  for (const PeerPackage* package : fresh) {
    for (const std::string& line : package_lines(*find_machine(environment_, package->hostname), *package)) {
      fmt::print(stderr, "{}\n", line);
    }
  }
  if (options_.yes == PeersOptions::Yes::yes || fresh.empty()) return;
  if (confirm(fmt::format("Have the owners of these {} machines read the same fingerprints to you?", fresh.size()))) return;
  throw Error(ExitCode::verification_failed, "the fingerprints were not confirmed: nothing was installed");
}

void Run::report(const std::vector<Installation>& installations, const std::vector<Link>& links) {
  if (session_.output == Session::Output::json) {
    session_.print(Json{{"deployment", environment_.deployment},
                        {"peers", peers_json(peers_)},
                        {"installed", installations_json(installations)},
                        {"links", links_json(links)}}
                       .dump());
    return;
  }
  print(link_lines(links));
}

void Run::write_files() {
  const bool has_others = std::ranges::any_of(peers_, [](const Peer& peer) { return peer.access == Peer::Access::none; });
  if (options_.write) {
    (void)write_packages(peers_, *options_.write);  // the instructions name them
    for (const fs::path& path : write_instructions(peers_, environment_, *options_.write)) {
      session_.status().note("for its owner: " + path.native());
    }
  } else if (has_others) {
    session_.status().note("say --write DIR to get the files that the owners of external machines must install");
  }
}

void Run::exchange() {
  std::map<std::string, std::string> known;
  if (options_.fingerprints) known = read_fingerprints(*options_.fingerprints, environment_);
  if (options_.yes == PeersOptions::Yes::no && !can_ask()) {
    throw Error(ExitCode::usage, "there is no terminal to confirm the fingerprints on: say --yes --fingerprints FILE");
  }
  collect_packages();
  std::vector<Installation> installations = missing_installations(peers_, environment_, options_.keystore);
  const std::vector<const PeerPackage*> fresh = fresh_packages(peers_, installations);
  confirm_packages(known, fresh);
  const bool has_answer = std::ranges::any_of(peers_, &Peer::is_at_hand);
  if (installations.empty() && has_answer) session_.status().note("nothing to install: every machine that answers has its packages");
  install(installations, ssh_, session_.status());
  write_files();
  const std::vector<Link> links = prove(peers_, environment_, ssh_, session_.status());
  report(installations, links);
  std::vector<std::string> wrong;
  for (const Installation& installation : installations) {
    const bool refused = !installation.trouble.empty() && installation.on->trouble.empty();
    if (refused) wrong.push_back(fmt::format("{}: did not install its packages: {}", installation.on->machine->name, installation.trouble));
  }
  end_with(wrong, links, "exchange");
}

void add_options(CLI::App& command, const std::shared_ptr<PeersOptions>& options) {
  command.add_option("--env", options->environment, "Environment file of the deployment")->required();
  command.add_option("--package", options->collect.packages, "Package of an external machine, as its owner sent it (repeatable)")
      ->allow_extra_args(false);
  command.add_flag_callback(
      "--external", [options] { options->collect.external = CollectOptions::External::ask; },
      "Log in to external machines too; their host keys must be in your own known_hosts");
  command.add_option("--ssh-config", options->ssh.config, "ssh configuration that says how the machines are reached, by name")
      ->check(CLI::ExistingFile);
  command
      .add_option_function<std::string>(
          "--address",
          [options](const std::string& kind) {
            options->ssh.address = kind == "public" ? SshOptions::Address::public_ip : SshOptions::Address::private_ip;
          },
          "Addresses to log in at: private (default) or public")
      ->check(CLI::IsMember({"private", "public"}));
}

std::string check_keystore(const std::string& path) {
  const bool is_plain = path.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") == std::string::npos;
  if (is_plain && path.starts_with('/') && path.find("..") == std::string::npos) return {};
  return "must be an absolute path of letters, digits and -_./";
}

void add_exchange(CLI::App& parent, const std::shared_ptr<PeersOptions>& options, Session& session) {
  CLI::App* command = parent.add_subcommand("exchange", "Install the packages where they belong, and prove every link");
  add_options(*command, options);
  CLI::Option* fingerprints = command->add_option("--fingerprints", options->fingerprints,
                                                  "File with a line 'NAME FINGERPRINT' for each package: they must match");
  command
      ->add_flag_callback("--yes", [options] { options->yes = PeersOptions::Yes::yes; }, "Do not ask; needs --fingerprints")
      ->needs(fingerprints);
  command->add_option("--keystore", options->keystore, "Java keystore in the web machines that takes the certificates too")
      ->check(check_keystore);
  command->add_option("--write", options->write, "Folder for what the owners of external machines must install");
  command->callback([options, &session] {
    options->collect.installed = CollectOptions::Installed::ask;
    options->collect.now = std::time(nullptr);
    Run(session, *options).exchange();
  });
}

}  // namespace

void add_peers_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<PeersOptions>();
  CLI::App* command = app.add_subcommand("peers", "The exchange of peer packages: show, exchange, verify");
  command->require_subcommand(1);
  command->fallthrough();
  CLI::App* show = command->add_subcommand("show", "Ask the machines for their packages; print their fingerprints");
  add_options(*show, options);
  show->add_option("--write", options->write, "Folder for the packages, as NAME.pkg");
  show->callback([options, &session] {
    options->collect.now = std::time(nullptr);
    Run(session, *options).show();
  });
  add_exchange(*command, options, session);
  CLI::App* verify = command->add_subcommand("verify", "Compare what is installed with what should be, and prove every link");
  add_options(*verify, options);
  verify->callback([options, &session] {
    options->collect.installed = CollectOptions::Installed::ask;
    options->collect.now = std::time(nullptr);
    Run(session, *options).verify();
  });
}

}  // namespace imgbuild
