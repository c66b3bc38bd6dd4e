#pragma once

namespace imgbuild {

/// Makes SIGINT, SIGTERM and SIGHUP set a flag instead of ending the process; a second one ends it at once. SIGPIPE is
/// ignored. Called once by main.
void catch_interrupts();

/// The signal received, or 0.
[[nodiscard]] int interrupt_signal();

/// Throws Interrupted if a signal was received. Long loops call it between their pieces of work.
void check_interrupt();

/// For the code that ends children and removes temporaries after an interrupt: forgets the signal, so that its own
/// waits work. A further signal still ends the process.
void acknowledge_interrupt();

}  // namespace imgbuild
