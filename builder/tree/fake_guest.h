#pragma once

#include <functional>
#include <vector>

#include "tree/folder_guest.h"

namespace imgbuild {

/// A guest for tests: files are real, in a folder; commands are recorded and answered by a function.
class FakeGuest : public FolderGuest {
 public:
  using Answer = std::function<CommandResult(const GuestCommand&, FakeGuest&)>;

  /// 'answer' empty: every command succeeds and says nothing.
  explicit FakeGuest(const std::filesystem::path& tree, Answer answer = {})
      : FolderGuest(tree), answer_(std::move(answer)) {}

  CommandResult run(const GuestCommand& command) override;

  /// "program argument argument", in order.
  [[nodiscard]] const std::vector<std::string>& commands() const { return commands_; }

 private:
  Answer answer_;
  std::vector<std::string> commands_;
};

}  // namespace imgbuild
