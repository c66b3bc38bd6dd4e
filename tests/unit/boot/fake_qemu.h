#pragma once

#include <filesystem>
#include <string>

#include "util/io.h"

namespace imgbuild {

/// A program that talks like QEMU over the sockets it inherits, and does what a few lines of Python say:
///   wait_for(COMMAND)   answers the monitor until COMMAND has come; with answered=False that one is left without an answer
///   say(TEXT)           writes to the console
///   event(REASON)       tells the monitor SHUTDOWN for that reason
///   stop(STATUS)        ends at once
/// It stays, answering, when these lines are done.
class FakeQemu {
 public:
  explicit FakeQemu(const std::filesystem::path& folder) : program_(folder / "fake-qemu") {}

  [[nodiscard]] const std::filesystem::path& program() const { return program_; }
  void behave(const std::string& lines) const { io::write_file(program_, kHead + lines + kTail, 0755); }

 private:
  static constexpr const char* kHead = R"py(#!/usr/bin/python3
import json, os, re, socket, sys
options = " ".join(sys.argv)
def inherited(name):
    return socket.socket(fileno=int(re.search(rf"id={name},fd=(\d+)", options)[1]))
stop = os._exit
monitor, console = inherited("monitor"), inherited("console")
lines = monitor.makefile("r")
def tell(message):
    monitor.sendall((json.dumps(message) + "\n").encode())
def say(text):
    console.sendall(text.encode())
def event(reason):
    tell({"event": "SHUTDOWN", "data": {"guest": True, "reason": reason}})
def wait_for(wanted, answered=True):
    for line in lines:
        command = json.loads(line)["execute"]
        if command == wanted and not answered:
            return
        usernet = "".join(f"  TCP[HOST_FORWARD] 9 127.0.0.1 {4000 + port} 10.0.2.15 {port} 0 0\r\n" for port in (22, 80, 443))
        tell({"return": usernet if command == "human-monitor-command" else {}})
        if command == "quit":
            event("host-qmp-quit")
            stop(0)
        if command == wanted:
            return
    stop(0)
def greet():
    tell({"QMP": {}})
)py";
  static constexpr const char* kTail = "\nwait_for('nothing')\n";

  std::filesystem::path program_;
};

}  // namespace imgbuild
