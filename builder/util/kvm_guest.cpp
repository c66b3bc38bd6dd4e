// The guest code of the KVM probe: a boot sector that does what the first second of a Linux kernel does.
//
// Real mode alone is no test: KVM emulates it on some hosts where 64-bit mode never runs. Each part below has
// a reason:
//   page tables, EFER.LME, CR0.PG   64-bit mode with paging (nested hosts without it hang here)
//   wrmsr/rdmsr of LSTAR            model-specific registers reach the processor
//   ud2 through an IDT              exceptions are delivered to the guest
//   2^27 turns of a loop            0.05 s on a processor, minutes where KVM interprets each instruction

#include <string>

#include "util/kvm.h"

#if defined(__x86_64__)

// Memory below 1 MiB: 0x1000 PML4, 0x2000 PDPT, 0x3000 PD (one page of 2 MiB), 0x4000 IDT, 0x7c00 this code
// and stack top.
asm(R"(
.pushsection .rodata
.globl imgbuild_kvm_guest, imgbuild_kvm_guest_end
.code16
imgbuild_kvm_guest:
  cli
  cld
  xorw %ax, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movw $0x7c00, %sp
  movw $0x1000, %di                      # clear 0x1000-0x5000
  movw $0x2000, %cx
  rep stosw
  movw $0x2003, 0x1000                   # present, writable
  movw $0x3003, 0x2000
  movw $0x0083, 0x3000                   # page of 2 MiB at 0
  movw $(imgbuild_kvm_trap - imgbuild_kvm_guest + 0x7c00), 0x4060   # IDT entry 6: invalid opcode
  movw $0x08, 0x4062
  movw $0x8e00, 0x4064                   # present, interrupt gate
  lgdtl (imgbuild_kvm_gdt_pointer - imgbuild_kvm_guest + 0x7c00)
  movl %cr4, %eax
  orl $0x20, %eax                        # PAE
  movl %eax, %cr4
  movl $0x1000, %eax
  movl %eax, %cr3
  movl $0xc0000080, %ecx                 # EFER
  rdmsr
  orl $0x100, %eax                       # LME
  wrmsr
  movl %cr0, %eax
  orl $0x80000001, %eax                  # PG, PE
  movl %eax, %cr0
  ljmpl $0x08, $(imgbuild_kvm_long - imgbuild_kvm_guest + 0x7c00)
.code64
imgbuild_kvm_long:
  xorl %eax, %eax
  movl %eax, %ds
  movl %eax, %ss
  movl $0x7c00, %esp
  lidt (imgbuild_kvm_idt_pointer - imgbuild_kvm_guest + 0x7c00)
  movl $0xc0000082, %ecx                 # LSTAR: what is written must come back
  movl $0x12345678, %eax
  xorl %edx, %edx
  wrmsr
  xorl %eax, %eax
  rdmsr
  cmpl $0x12345678, %eax
  jne imgbuild_kvm_halt
  movl $0x8000000, %ecx
imgbuild_kvm_turn:
  decl %ecx
  jnz imgbuild_kvm_turn
  ud2                                    # continues at imgbuild_kvm_trap
imgbuild_kvm_halt:
  hlt
  jmp imgbuild_kvm_halt
imgbuild_kvm_trap:
  movb $0x4b, %al                        # 'K'
  outb %al, $0xe9
  movb $0x2a, %al
  outb %al, $0xf4
  jmp imgbuild_kvm_halt
.balign 8
imgbuild_kvm_gdt:
  .quad 0
  .quad 0x00209a0000000000               # 64-bit code
imgbuild_kvm_gdt_pointer:
  .word 15
  .long imgbuild_kvm_gdt - imgbuild_kvm_guest + 0x7c00
imgbuild_kvm_idt_pointer:
  .word 0x6f
  .quad 0x4000
imgbuild_kvm_guest_end:
.popsection
)");

extern "C" const char imgbuild_kvm_guest[];
extern "C" const char imgbuild_kvm_guest_end[];

namespace imgbuild {

std::string kvm_probe_disk() {
  std::string disk(imgbuild_kvm_guest, imgbuild_kvm_guest_end);
  disk.resize(510, '\0');
  disk += "\x55\xaa";
  disk.resize(64 << 10, '\0');  // SeaBIOS does not boot from a disk of one sector on virtio
  return disk;
}

}  // namespace imgbuild

#else

namespace imgbuild {
std::string kvm_probe_disk() { return {}; }
}  // namespace imgbuild

#endif
