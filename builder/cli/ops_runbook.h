#pragma once

#include <fmt/format.h>

#include <algorithm>

#include "cli/ops_files.h"

namespace imgbuild {

/// The runbook as it grows: Markdown, with this deployment's names in the places of its texts and commands.
class Runbook {
 public:
  explicit Runbook(const OpsInput& input);

  template <typename... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    text_ += fmt::format(format, std::forward<Args>(args)...) + "\n";
  }
  /// Lines to be typed.
  void code(const std::vector<std::string>& lines);
  /// The same, of which none is run once one has failed.
  void steps(std::vector<std::string> lines);
  /// Lines of which one is to be run: each stands alone, so that nobody copies two.
  void one_of(const std::vector<std::string>& lines);
  [[nodiscard]] const std::string& text() const { return text_; }

  [[nodiscard]] const OpsInput& input() const { return input_; }
  [[nodiscard]] const Environment& env() const { return input_.environment; }
  /// The environment file.
  [[nodiscard]] std::string file() const { return input_.environment_file.native(); }
  [[nodiscard]] const std::vector<const Machine*>& ours() const { return ours_; }
  /// The machines that somebody else keeps.
  [[nodiscard]] const std::vector<const Machine*>& others() const { return others_; }
  /// The web servers, any of which may be the primary, in the file's order.
  [[nodiscard]] const std::vector<const Machine*>& web() const { return web_; }
  /// Whether one of them is ours.
  [[nodiscard]] bool has_own_web() const { return std::ranges::any_of(ours_, [](const Machine* machine) { return is_web(machine->role); }); }

  /// Ours among the machines that show the web's shared certificate.
  [[nodiscard]] std::vector<const Machine*> sharers() const;

  /// "ssh -F …/ssh_config prod-s1".
  [[nodiscard]] std::string login(const Machine& machine) const;
  /// Whether a command reads what it is given. One that does not must leave alone what comes after it: the next lines, where several were
  /// pasted.
  enum class Input { none, given };
  /// "ssh -n -F …/ssh_config prod-s1 COMMAND".
  [[nodiscard]] std::string ssh(const Machine& machine, const std::string& command, Input input = Input::none) const;
  /// "./builder/imgbuild COMMAND --env … -o … MORE", for the commands that have -o.
  [[nodiscard]] std::string imgbuild(const std::string& command, const std::string& more = "") const;
  /// Takes a pair of files and the line of its secret out of the vault, so that `seed` makes a new pair; the old one is in "replaced".
  [[nodiscard]] std::vector<std::string> out_of_vault(const std::string& secret, const std::string& counterpart) const;
  /// Brings it back.
  [[nodiscard]] std::vector<std::string> back_into_vault(const std::string& secret, const std::string& counterpart) const;
  /// A file of the vault, as a word for a shell.
  [[nodiscard]] std::string in_vault(const std::string& entry) const;
  /// Writes a file of the vault over one in the machine, which keeps its owner and mode.
  [[nodiscard]] std::string send(const Machine& machine, const std::string& entry, const std::string& path) const;
  /// The call of `imgbuild ops` that made all this, or that makes it for another primary.
  [[nodiscard]] std::string imgbuild_ops() const { return imgbuild_ops(input_.primary); }
  [[nodiscard]] std::string imgbuild_ops(const Machine* primary) const;
  /// For a shell: the id of the machine's instance at EC2.
  [[nodiscard]] std::string instance_id(const Machine& machine) const;
  /// Where the packages of the others are kept, and what they get.
  [[nodiscard]] std::filesystem::path packages() const { return input_.folder.parent_path() / "packages"; }
  [[nodiscard]] std::filesystem::path for_others() const { return input_.folder.parent_path() / "for-others"; }
  /// "./builder/imgbuild peers COMMAND --env … --ssh-config … --package …": the configuration says by which addresses, and of every machine
  /// that is not ours a package is needed.
  [[nodiscard]] std::string imgbuild_peers(const std::string& command) const;

 private:
  const OpsInput& input_;
  std::string text_;
  std::vector<const Machine*> ours_;
  std::vector<const Machine*> others_;
  std::vector<const Machine*> web_;
};

void add_preparation(Runbook& book);
void add_first_start(Runbook& book);
void add_exchange(Runbook& book);
void add_promotion(Runbook& book);
void add_backups(Runbook& book);
void add_restore(Runbook& book);
/// Its parts: voters can't reach the machines; they can; the root volume is one of a snapshot (EC2).
void add_way_closed(Runbook& book, const std::vector<const Machine*>& machines);
void add_way_opened(Runbook& book, const Machine& machine);
void add_volume_restored(Runbook& book, const Machine& machine);
void add_rotation(Runbook& book);
/// Its sections on the TLS keys of our machines.
void add_tls_rotation(Runbook& book);
/// Its sections on the ssh host keys of our machines, and on the keys by which accounts of one web server log in to the others.
void add_ssh_rotation(Runbook& book);
void add_passwords(Runbook& book);
/// Its section on ssh_authorized_keys.
void add_logins(Runbook& book);

}  // namespace imgbuild
