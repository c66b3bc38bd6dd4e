#include "cli/ops_runbook.h"

namespace imgbuild {

void add_backups(Runbook& book) {
  book.add("## Backups\n\nOn EC2 AWS Backup makes snapshots of the machines whose tag `backup-normal` is `true`; `ami launch` sets it. The vault is `{}`. "
           "Times are UTC:\n", backup_name(book.env()));
  book.add("| plan | starts within {} minutes of | kept for | that is |\n|---|---|---|---|", kBackupStartWindow);
  for (const BackupRule& rule : kBackupRules) {
    book.add("| {} | {} | {} day{} | {} points |", rule.name, rule.when, rule.days, rule.days == 1 ? "" : "s", rule.points);
  }
  book.add("\nBy hand the newest seven of the 3-hourly ones were kept. AWS Backup keeps by days and no less than one, so they are eight. The times of two "
           "plans must not");
  book.add("overlap: where they do, AWS makes only the backup that is kept longer. Look that they are made, the newest last:");
  book.code({fmt::format("aws backup list-recovery-points-by-backup-vault --backup-vault-name {} --query "
                         "'sort_by(RecoveryPoints,&CreationDate)[-3:].[CreationDate,ResourceArn,Status]' --output text",
                         backup_name(book.env()))});
  book.add("Each line must say `COMPLETED`, and the last one be younger than four hours.\n");
  if (!book.has_own_web()) return;
  book.add("The primary also backs up its database into `/var/postgres_backups`, each day at 04:00 of its time zone, and keeps `backup_keep_days` of them. "
           "They lie on its own disk:");
  book.add("copy the folder elsewhere.\n");
}

}  // namespace imgbuild
