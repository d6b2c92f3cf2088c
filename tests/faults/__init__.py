"""Faults on the way, one test or more for each kind: right or an error, never silent.

The tests go through real sockets to servers of ours (`strict_s3` and `strict_gcs` of
`blobio.testing`, and a web server) behind `FaultProxy`, or to real files; `emulated` does much the
same with moto, rclone and a file server. Reads are tried in every way there is (`ways`), on an
object of S3 with a checksum, on one without, on one of Google Cloud Storage, and on a web page.
Writes to Google Cloud Storage and Azure are in test_cloud_writes, over strict servers, and for
what they can show over fake-gcs-server and Azurite; more requests of theirs are broken in
tests/wire. After each test no part of a write may be left in the bucket.

====  ==========================================  =============================================
Row   Fault                                       Where
====  ==========================================  =============================================
1     reset within a body                         test_broken_reads
2     end within a body of the right length       test_broken_reads
3     short body whose length agrees              test_broken_reads
4     short body that ends with the connection    test_broken_reads
5     one flipped byte                            test_lying_reads
6     range ignored                               test_lying_reads
7     replaced between the reads of one file      test_lying_reads
8     503 twice                                   test_refusals
9     429 with Retry-After                        test_refusals
10    stall within a body                         test_broken_reads
11    503 for ever                                test_refusals
12    idle connection closed                      test_broken_reads
13    page of a listing refused or cut            test_refusals
14    write committed, reply lost                 test_lost_writes; test_cloud_writes
15    create-only write committed, reply lost     test_lost_writes; test_cloud_writes
16    exception in a `with` block                 test_failed_writes; test_cloud_writes;
                                                  tests/blocking/test_modes
17    completion committed, reply lost            test_lost_writes; test_cloud_writes
18    error in a 200                              test_failed_writes; test_cloud_writes
19    part refused                                test_failed_writes; test_cloud_writes
20    resumable session half persisted            tests/wire/test_gcs_resumable
21    resumable session gone                      tests/wire/test_gcs_resumable
22    byte flipped on its way up                  test_failed_writes; test_cloud_writes
23    trickle                                     test_broken_reads
24    token expires in the middle                 test_identity; tests/wire/test_gcs_resumable;
                                                  tests/unit/drivers/azure/test_writing
25    name cannot be resolved                     test_refusals
26    killed in a cache fill                      test_killed
27    killed in a download                        test_killed
28    parallel download to a file                 test_killed
29    disk full                                   test_full_disk
30    fork after use                              tests/blocking/test_fork
31    writer unclosed at exit                     tests/blocking/test_exit
32    cancelled from outside                      test_failed_writes; test_cloud_writes;
                                                  tests/blocking/test_portal
33    commit of an fsspec transaction fails       tests/fsspec/test_filesystem
34    fast server, slow reader                    test_broken_reads
35    clock 20 minutes off                        test_identity; tests/wire/test_azure_strict
36    two writers                                 test_races; test_cloud_writes;
                                                  tests/wire: 200 times
37    side channel out of reach                   test_refusals: there is none
38    command line downloads                      not before there is a command line
====  ==========================================  =============================================

What nothing can tell, and no test asks: a flipped byte in a part of an object, or in an object of
which the store has no checksum; and a page cut with its length by a server without ranges.

`test_rule_NN` are tests of the rules that all stores share: what is tried again (1), lost replies
(7), no repetition behind our back (8), no decompression and no redirects (9).
"""
