#include "tiny_machine.h"

// Sector 0: this code. Sector 1: byte 0 counts the boots. From sector 2: the script, ended by a zero.
// In memory: sector 1 at 0x8000, the script at 0x8200. Ports of q35: 0x600 power management, 0xcf9 reset.
asm(R"(
.pushsection .rodata
.code16
tiny_machine:
  cli
  xorw %ax, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movw $0x7c00, %sp
  cld
  movw $0x602, %dx                      # PM1 enable: power button
  movw $0x100, %ax
  outw %ax, %dx
  movb $0x80, %dl                       # the first disk
  movb $0x42, %ah                       # read 32 sectors
  movw $(tiny_packet - tiny_machine + 0x7c00), %si
  int $0x13
  incb 0x8000
  movw $1, (tiny_packet - tiny_machine + 0x7c02)
  movw $0x4300, %ax                     # write 1 sector
  movw $(tiny_packet - tiny_machine + 0x7c00), %si
  int $0x13
  movw $0x8200, %si
tiny_next:
  lodsb
  testb %al, %al
  jz tiny_wait
  cmpb $1, %al
  je tiny_off
  cmpb $2, %al
  je tiny_reboot
  cmpb $3, %al
  je tiny_button
  cmpb $4, %al
  je tiny_reboot_once
  cmpb $0x23, %al                       # '#'
  jne tiny_send
  movb 0x8000, %al
  addb $0x30, %al
tiny_send:
  movb %al, %bl
  movw $0x3fd, %dx
tiny_busy:
  inb %dx, %al
  testb $0x20, %al
  jz tiny_busy
  movb %bl, %al
  movw $0x3f8, %dx
  outb %al, %dx
  jmp tiny_next
tiny_reboot_once:
  cmpb $1, 0x8000
  jne tiny_next
tiny_reboot:
  movw $0xcf9, %dx
  movb $6, %al
  outb %al, %dx
  jmp tiny_wait
tiny_button:
tiny_not_pressed:
  movw $0x600, %dx                      # PM1 status
  inw %dx, %ax
  testw $0x100, %ax
  jz tiny_not_pressed
tiny_off:
  movw $0x604, %dx                      # PM1 control: sleep enable, type 0 is off in QEMU
  movw $0x2000, %ax
  outw %ax, %dx
tiny_wait:
  hlt
  jmp tiny_wait
tiny_packet:
  .byte 16, 0
  .word 32, 0x8000, 0
  .quad 1
tiny_machine_end:
.code64
.popsection
)");

extern "C" const char tiny_machine[];
extern "C" const char tiny_machine_end[];

namespace imgbuild {

std::string tiny_machine_disk(const std::string& script) {
  std::string disk(tiny_machine, tiny_machine_end);
  disk.resize(510, '\0');
  disk += "\x55\xaa";
  disk.resize(1024, '\0');
  disk += script;
  disk.resize(1 << 20, '\0');
  return disk;
}

}  // namespace imgbuild
