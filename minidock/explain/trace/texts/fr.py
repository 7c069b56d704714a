"""Le français : pour chaque étape, son titre et une phrase qui dit pourquoi elle est là."""

STEPS = {
    # The command
    "Fork the process that writes the trace": (
        "Créer le processus qui écrit la trace",
        "Il reçoit les étapes et les appels de tous les autres processus et les affiche dans l'ordre : il est donc "
        "créé le premier.",
    ),
    "Fork the container's monitor": (
        "Créer le moniteur du conteneur",
        "Le moniteur est le parent du premier processus du conteneur : il tient son terminal ou ses tubes, et apprend "
        "comment il se termine. Il y en a un par conteneur, là où Docker a un démon pour tous.",
    ),
    "Fork the exec monitor": (
        "Créer le moniteur de l'exec",
        "Ce moniteur est le parent du nouveau processus : il tient son terminal ou ses tubes, et apprend comment il se "
        "termine.",
    ),
    "Create the container's directory and record": (
        "Créer le répertoire et la fiche du conteneur",
        "Un conteneur existe sur le disque avant de fonctionner : son répertoire contient tout ce qu'il modifiera, et "
        "un verrou dessus est tenu par le processus qui s'en occupe.",
    ),
    "Write the record of a created container": (
        "Écrire la fiche d'un conteneur créé",
        "create s'arrête ici : le conteneur est sur le disque, et rien de lui n'est encore dans le noyau.",
    ),
    "Lock the container": (
        "Verrouiller le conteneur",
        "Le verrou sur son répertoire empêche les autres de le démarrer ou de le supprimer. Il est tenu par le "
        "processus qui s'occupe du conteneur, et le noyau le relâche quand ce processus meurt.",
    ),
    "Load the overlay module": (
        "Charger le module overlay",
        "Les couches ont besoin du système de fichiers overlay, que beaucoup de noyaux ne chargent qu'à la demande.",
    ),
    "Ask whether a module could be loaded": (
        "Demander si un module peut être chargé",
        "Un module qui n'est pas chargé peut être installé : modprobe le cherche, et ne charge rien.",
    ),
    "Build the image by its recipe": (
        "Construire l'image par sa recette",
        "Sans registre à portée, la recette de l'image la fabrique à partir de ses sources.",
    ),
    # Before the clone
    "Write the OCI bundle": (
        "Écrire le bundle OCI",
        "Tout ce qui a été demandé tient dans un fichier, config.json, sous la forme normalisée que lit aussi runc : "
        "à partir d'ici, la ligne de commande ne sert plus.",
    ),
    "Have the other runtime create the container": (
        "Faire créer le conteneur par l'autre runtime",
        "Avec --runtime, un autre programme fait la suite : il lit le bundle, crée les espaces de noms et s'arrête "
        "avant le programme du conteneur.",
    ),
    "Have the other runtime start the program": (
        "Faire démarrer le programme par l'autre runtime",
        "L'autre runtime a laissé un processus qui attend : sa commande start lui fait exécuter le programme.",
    ),
    "Write hosts, hostname and resolv.conf": (
        "Écrire hosts, hostname et resolv.conf",
        "Les fichiers de ces noms dans l'image sont ceux d'une autre machine : ceux du conteneur sont écrits à "
        "l'extérieur, puis montés par-dessus.",
    ),
    "Create a volume": (
        "Créer un volume",
        "Ce qu'un conteneur écrit dans sa propre couche est supprimé avec lui : un volume est un répertoire de "
        "l'hôte, et il reste.",
    ),
    "Mount a volume's file system": (
        "Monter le système de fichiers d'un volume",
        "Un volume peut être un système de fichiers à part, sur un disque, en mémoire ou sur une autre machine : il "
        "est monté quand le premier conteneur s'en sert.",
    ),
    "Copy the image's files into the new volume": (
        "Copier les fichiers de l'image dans le nouveau volume",
        "Un volume cache ce que l'image a au même chemin : un volume neuf commence donc par en recevoir une copie.",
    ),
    "Rename the unused volume": (
        "Renommer le volume inutilisé",
        "Dès lors aucune commande ne le trouve, quoi qui interrompe la suite.",
    ),
    "Delete the volume's files": (
        "Supprimer les fichiers du volume",
        "Cela peut être long : c'est donc fait sans le verrou que d'autres commandes attendent.",
    ),
    "Unmount a volume's file system": (
        "Démonter le système de fichiers d'un volume",
        "Le dernier conteneur qui s'en servait est terminé : le disque, la mémoire ou l'autre machine sont libérés.",
    ),
    "Mount shared memory outside": (
        "Monter la mémoire partagée à l'extérieur",
        "D'autres conteneurs peuvent rejoindre l'espace de noms IPC de celui-ci : son /dev/shm est monté sur l'hôte, "
        "pour qu'ils puissent aussi le monter.",
    ),
    "Unmount the shared memory": (
        "Démonter la mémoire partagée",
        "C'était celle de ce conteneur : ceux qui l'ont rejointe gardent ce qu'ils ont monté.",
    ),
    "Reserve the published ports": (
        "Réserver les ports publiés",
        "Deux programmes ne peuvent pas écouter sur le même port : il est pris d'abord, pour qu'un conteneur dont le "
        "port est occupé ne démarre pas du tout.",
    ),
    "Compile the seccomp filter": (
        "Compiler le filtre seccomp",
        "Un petit programme destiné au noyau (BPF) dit quels appels système sont permis. Il est compilé avant le "
        "clone et mis en cache, car cela prend plus de temps que tout le reste.",
    ),
    "Create the control group, with its limits": (
        "Créer le groupe de contrôle, avec ses limites",
        "Un groupe de contrôle limite la mémoire, le temps de calcul et le nombre de processus de tout ce qu'il "
        "contient : il est là, limites comprises, avant le premier processus.",
    ),
    "Write new limits to the cgroup": (
        "Écrire de nouvelles limites dans le cgroup",
        "Les limites sont des fichiers : un nouveau nombre écrit là s'applique aussitôt, à tous les processus du "
        "groupe.",
    ),
    "Take a proc of the joined namespace": (
        "Prendre un proc de l'espace de noms à rejoindre",
        "Un système de fichiers proc montre l'espace de noms de processus de qui le monte, et là, d'autres pourraient "
        "tracer le processus : on prend donc une copie de celui qui y est monté.",
    ),
    "Clone the first process into new namespaces": (
        "Cloner le premier processus, avec ses espaces de noms",
        "Un seul appel système fait le conteneur : un fork dont l'enfant a d'autres montages, d'autres processus, un "
        "autre réseau et d'autres noms que son parent.",
    ),
    # Inside, until pivot_root
    "Set PR_SET_PDEATHSIG: die with the parent": (
        "Poser PR_SET_PDEATHSIG : mourir avec le parent",
        "Si le parent de ce processus est tué, le noyau tue aussi ce processus : aucun ne continue sans un parent "
        "qui nettoie après lui.",
    ),
    "Open the mounts shared with the host": (
        "Ouvrir les montages partagés avec l'hôte",
        "Un volume peut partager ses montages avec l'hôte : ces répertoires sont ouverts avant que tous les autres "
        "montages ne soient coupés.",
    ),
    "Create or join the other namespaces": (
        "Créer ou rejoindre les autres espaces de noms",
        "La racine d'un espace de noms de cgroups est le groupe du processus qui le crée : le premier processus le "
        "crée donc, dans son propre groupe.",
    ),
    "Make all mounts slaves of the host's": (
        "Rendre tous les montages esclaves de ceux de l'hôte",
        "Le nouvel espace de noms de montages est une copie de celui de l'hôte : esclaves, ses montages suivent les "
        "changements de l'hôte, mais ceux de l'hôte ne suivent pas les siens.",
    ),
    "Mount the layers with overlayfs": (
        "Monter les couches avec overlayfs",
        "Tous les conteneurs d'une image partagent ses couches en lecture seule, et chacun n'écrit que dans la sienne "
        ": voilà pourquoi en démarrer un ne copie rien.",
    ),
    "Mount proc, sys, dev and the volumes": (
        "Monter proc, sys, dev et les volumes",
        "proc et sys montrent le noyau, selon les espaces de noms où ils ont été montés ; les volumes sont des "
        "répertoires de l'hôte. Tous sont montés à neuf pour ce conteneur.",
    ),
    "Create the device nodes": (
        "Créer les périphériques",
        "Les programmes s'attendent à trouver null, zero, random et leurs semblables : les disques de l'hôte n'en "
        "font pas partie.",
    ),
    "Create the working directory": (
        "Créer le répertoire de travail",
        "Le programme démarre dans ce répertoire : il doit exister avant que la racine ne passe, peut-être, en "
        "lecture seule.",
    ),
    "Create the init layer": (
        "Créer la couche d'initialisation",
        "Les endroits où l'on monte, comme /proc et /etc/hosts, dans une couche entre celles de l'image et celle du "
        "conteneur : une image peut ne pas les avoir, ou y avoir autre chose.",
    ),
    "Create a null device for masks": (
        "Créer un périphérique null pour les masques",
        "Les fichiers de proc que le conteneur ne doit pas voir sont cachés en montant par-dessus un périphérique "
        "null : il est créé ici, car un /dev/null du conteneur pourrait être n'importe quoi.",
    ),
    "Change the root with pivot_root": (
        "Changer de racine avec pivot_root",
        "pivot_root échange la racine de l'espace de noms de montages, et l'ancienne est démontée : contrairement à "
        "chroot, aucun chemin n'y ramène.",
    ),
    # Inside, after pivot_root
    "Open a pseudo-terminal": (
        "Ouvrir un pseudo-terminal",
        "Il est dans le devpts du conteneur : l'édition de ligne, Ctrl-C et le contrôle des tâches fonctionnent à "
        "l'intérieur, et l'autre bout est tenu à l'extérieur.",
    ),
    "Bring the loopback interface up": (
        "Activer l'interface de bouclage",
        "Un espace de noms réseau neuf n'a qu'une interface, lo, et elle est inactive : sans elle, rien ne répond sur "
        "localhost.",
    ),
    "Set the host name": (
        "Définir le nom d'hôte",
        "Dans son propre espace de noms UTS, changer le nom de la machine ne le change que pour ce conteneur.",
    ),
    "Set kernel parameters": (
        "Définir les paramètres du noyau",
        "Certains paramètres appartiennent à un espace de noms : un conteneur peut donc avoir ses propres valeurs.",
    ),
    "Mask parts of proc and sys": (
        "Masquer des parties de proc et de sys",
        "proc et sys appartiennent à tout l'hôte : certains de leurs fichiers en révèlent des détails, ou le modifient "
        "pour tous les conteneurs.",
    ),
    "Set the out-of-memory score": (
        "Régler le score de pénurie de mémoire",
        "Il dit quels processus sont tués d'abord quand la machine manque de mémoire.",
    ),
    "Set the resource limits (ulimit)": (
        "Définir les limites de ressources (ulimit)",
        "Les limites de ressources appartiennent au processus, et ses enfants en héritent.",
    ),
    "Join a new session keyring": (
        "Prendre un nouveau trousseau de clés",
        "Le noyau garde un trousseau de clés par session : avec un trousseau neuf, les clés de l'appelant ne sont pas "
        "accessibles.",
    ),
    "Look up the program in the container's PATH": (
        "Chercher le programme dans le PATH du conteneur",
        "C'est fait dans la racine du conteneur, où les fichiers de même nom de l'hôte sont hors d'atteinte.",
    ),
    "Mount the layers for the user namespace": (
        "Monter les couches pour l'espace d'utilisateurs",
        "Seul le root de l'hôte peut lire ce qu'overlayfs note dans ses fichiers, et le root d'un espace de noms "
        "d'utilisateurs ne peut donc monter les couches : elles le sont pour lui, là où nul autre processus ne les "
        "voit, et remises par un descripteur.",
    ),
    "Map the ids of the layers": (
        "Traduire les identités dans les couches",
        "Le root du dedans est un autre utilisateur dehors, et sur le disque les fichiers de l'image sont à root : le "
        "noyau traduit les identités au passage, sans copier de fichier ni changer de propriétaire.",
    ),
    "Ask whether ids can be mapped": (
        "Demander si les identités peuvent être traduites",
        "Tous les systèmes de fichiers ne le peuvent pas : sinon, les couches sont copiées.",
    ),
    "Copy the layers with other owners": (
        "Copier les couches pour d'autres propriétaires",
        "Le noyau ne peut traduire les identités ici : les fichiers de l'image sont copiés une fois pour ce conteneur, "
        "et sont à ses utilisateurs.",
    ),
    "Give the writable layer to the container's root": (
        "Donner la couche modifiable au root du conteneur",
        "Ce que le conteneur écrit est à ses utilisateurs, qui ne sont personne d'autre dehors : le répertoire où il "
        "l'écrit aussi.",
    ),
    "Map the ids of mounts": (
        "Traduire les identités dans des montages",
        "Dans un tel montage, les fichiers sont à d'autres que sur le disque : ceux que disent les tables d'un espace "
        "de noms d'utilisateurs.",
    ),
    "Set scheduling, personality and labels": (
        "Régler ordonnancement, personnalité, étiquettes",
        "Ce que le bundle demande en plus des utilisateurs et des droits ; le plus souvent, rien.",
    ),
    "Set the domain name": (
        "Donner le nom de domaine",
        "Le nom que NIS donne à la machine ; comme le nom d'hôte, il appartient à l'espace de noms UTS.",
    ),
    "Run the hooks of the bundle": (
        "Exécuter les hooks du bundle",
        "Des programmes que le bundle fait exécuter à ce moment ; ils reçoivent l'état du conteneur en entrée.",
    ),
    "Wait for the start": (
        "Attendre le départ",
        "Le parent raccorde le réseau et le terminal de l'appelant, puis envoie le départ.",
    ),
    # Power goes
    "Limit the capability bounding set": (
        "Limiter le bounding set des capabilities",
        "Les droits de root sont divisés en une quarantaine de capabilities : ce qui est retiré du bounding set ne "
        "peut plus être obtenu, pas même par un programme set-uid.",
    ),
    "Set standard input, output and error": (
        "Définir l'entrée, la sortie et l'erreur standard",
        "Tous les autres descripteurs sont fermés par execve : un fichier de l'hôte resté ouvert serait une issue.",
    ),
    "Reset the signals": (
        "Réinitialiser les signaux",
        "execve laisse ignorés les signaux qui l'étaient : le programme n'hérite pas de ce qu'ignorent Python ou "
        "l'appelant.",
    ),
    "Install the seccomp filter": (
        "Installer le filtre seccomp",
        "À partir d'ici, le noyau exécute le filtre à chaque appel système : sur plus de 300, ceux de "
        "l'administrateur sont refusés.",
    ),
    "Set the user and the capabilities": (
        "Définir l'utilisateur et les capabilities",
        "Le programme a l'utilisateur et les capabilities qui ont été demandés, et rien de plus.",
    ),
    "Execute the program": (
        "Exécuter le programme",
        "execve remplace minidock par le programme, dans le même processus : les espaces de noms, la racine et les "
        "limites créés ci-dessus sont ceux du programme.",
    ),
    "Write the pid and the start into the record": (
        "Inscrire le pid et le démarrage dans la fiche",
        "Il n'y a pas de démon à interroger : les autres commandes lisent dans ce fichier le pid du premier "
        "processus, et le reste.",
    ),
    "Make the monitor's socket again": (
        "Recréer la socket du moniteur",
        "Quelqu'un a vidé /run, et aucune commande ne trouve plus le moniteur : sur un signal, il recrée sa socket.",
    ),
    "Listen on the monitor's socket": (
        "Écouter sur la socket du moniteur",
        "attach, stop et wait sont d'autres processus : ils se connectent au moniteur par ce nom dans le système de "
        "fichiers.",
    ),
    "Pass on the window size": (
        "Transmettre la taille de la fenêtre",
        "Le noyau prévient les programmes d'un terminal quand sa taille change ; le conteneur a un autre terminal que "
        "l'appelant.",
    ),
    "Replace the idle monitor by a small program": (
        "Remplacer le moniteur inactif par un petit programme",
        "Un conteneur peut fonctionner des années : son moniteur devient un programme bien plus petit, avec le même "
        "pid et les mêmes fichiers ouverts, jusqu'à ce qu'il se passe quelque chose.",
    ),
    # Networks
    "Choose a free subnet": (
        "Choisir un sous-réseau libre",
        "Les adresses des conteneurs ne doivent pas être celles d'un réseau que l'hôte atteint déjà.",
    ),
    "Create the bridge": (
        "Créer le pont",
        "Un pont est un commutateur logiciel : les interfaces qui y sont attachées se joignent.",
    ),
    "Create the network": (
        "Créer le réseau",
        "Un réseau est un nom, un sous-réseau et une interface de l'hôte, le plus souvent un pont : les conteneurs qui "
        "y sont se joignent, les autres non.",
    ),
    "Remove the network": (
        "Supprimer le réseau",
        "Son interface, ses adresses et ses règles sont supprimées : c'est possible tant qu'aucun conteneur n'y est.",
    ),
    "Reserve an address": (
        "Réserver une adresse",
        "Le conteneur est une machine dans un réseau : il reçoit la prochaine adresse libre, et la garde tant qu'il "
        "fonctionne.",
    ),
    "Connect the container to its networks": (
        "Raccorder le conteneur à ses réseaux",
        "Le nouvel espace de noms réseau est vide : il est raccordé de l'extérieur.",
    ),
    "Create the veth pair": (
        "Créer la paire veth",
        "Une paire veth est un câble virtuel : un bout est dans le conteneur et s'appelle eth0, l'autre est attaché "
        "au pont.",
    ),
    "Create a VLAN interface": (
        "Créer une interface VLAN",
        "Elle reçoit les trames de son interface parente qui portent son numéro dans une étiquette, sans celle-ci : un "
        "câble, plusieurs réseaux.",
    ),
    "Create a dummy interface": (
        "Créer une interface factice",
        "Elle ne mène nulle part : les conteneurs dont les liens l'ont pour parente ne joignent qu'eux-mêmes.",
    ),
    "Create a macvlan link on the parent": (
        "Créer un lien macvlan sur l'interface parente",
        "Il partage une interface de l'hôte, sa parente, et a sa propre adresse matérielle : le conteneur est une "
        "machine de plus sur le réseau extérieur, sans pont ni règle de l'hôte entre les deux.",
    ),
    "Set the address of eth0": (
        "Définir l'adresse d'eth0",
        "L'interface intérieure reçoit l'adresse réservée.",
    ),
    "Set the default route": (
        "Définir la route par défaut",
        "Les paquets vers des adresses hors du sous-réseau sont envoyés à la passerelle : l'adresse du pont, "
        "c'est-à-dire l'hôte ; sur un réseau macvlan, le routeur extérieur.",
    ),
    "Add the container to the packet filter": (
        "Ajouter le conteneur au filtre de paquets",
        "Hors de l'hôte, l'adresse du conteneur est inconnue : l'hôte la remplace par la sienne (masquerading), et "
        "transmet au conteneur ce qui arrive sur un port publié.",
    ),
    "Start the container's name server": (
        "Démarrer le serveur de noms du conteneur",
        "Sur un réseau créé par un utilisateur, les conteneurs se trouvent par leur nom : un petit serveur de noms, "
        "en 127.0.0.11 à l'intérieur, répond.",
    ),
    "Connect the running container": (
        "Raccorder le conteneur qui fonctionne",
        "Le conteneur reçoit une paire veth de plus : il n'est pas redémarré.",
    ),
    "Disconnect the container from the network": (
        "Détacher le conteneur du réseau",
        "Sa paire veth vers ce réseau est supprimée pendant qu'il fonctionne, et l'adresse est de nouveau libre.",
    ),
    "Write the packet filter again": (
        "Réécrire le filtre de paquets",
        "D'autres programmes ont pu vider les règles : ce qu'elles doivent être découle de quel conteneur est sur "
        "quel réseau, et elles peuvent donc être réécrites à tout moment.",
    ),
    "Read the packet filter's generation": (
        "Lire la génération du filtre de paquets",
        "Le noyau compte les modifications de ses règles : ce nombre dit si un autre programme, un pare-feu redémarré "
        "par exemple, les a modifiées.",
    ),
    "Release the container's networks": (
        "Libérer les réseaux du conteneur",
        "La paire veth est supprimée, et l'adresse est libre pour le prochain conteneur.",
    ),
    # The end
    "Tell the monitor what is asked": (
        "Dire au moniteur ce qui est demandé",
        "Le moniteur doit savoir, avant la fin du conteneur, si elle a été demandée : une politique de redémarrage "
        "pourrait le relancer.",
    ),
    "Signal the container's first process": (
        "Envoyer un signal au premier processus du conteneur",
        "Le signal passe par un pidfd, qui ne peut pas désigner un autre processus ayant reçu entre-temps le même "
        "numéro.",
    ),
    "Clean up after the container": (
        "Nettoyer après le conteneur",
        "Les processus restants de son groupe de contrôle sont tués, le groupe et la paire veth supprimés : ses "
        "fichiers restent, sauf avec --rm.",
    ),
    "Remove the container and its files": (
        "Supprimer le conteneur et ses fichiers",
        "Le répertoire est d'abord renommé : dès lors aucune commande ne trouve le conteneur, quoi qui interrompe la "
        "suite.",
    ),
    "Kill the processes of a damaged container": (
        "Tuer les processus d'un conteneur endommagé",
        "La fiche ne peut pas dire lesquels ce sont : ils sont trouvés dans /proc par leur répertoire racine.",
    ),
    "Clean up after a killed monitor": (
        "Nettoyer après un moniteur tué",
        "Un verrou que rien ne tient dit que le moniteur est mort : la commande suivante fait ce qu'il n'a pas pu "
        "faire.",
    ),
    "Remove the networks' interfaces and rules": (
        "Supprimer les interfaces et les règles des réseaux",
        "Les réseaux restent enregistrés : si l'un d'eux sert de nouveau, il reçoit une autre interface et ses règles.",
    ),
    "Remove the containers' common cgroup": (
        "Supprimer le groupe commun des conteneurs",
        "Les groupes de tous les conteneurs étaient dessous ; sans eux, il ne contient plus rien.",
    ),
    # The runtime's own command line
    "Claim the id in the state directory": (
        "Réserver l'identifiant dans le répertoire d'état",
        "Le nom du répertoire est l'identifiant, et mkdir échoue s'il existe : de deux appelants avec le même "
        "identifiant, un seul l'obtient.",
    ),
    "Record what will be made": (
        "Enregistrer ce qui sera créé",
        "C'est écrit avant que rien ne soit créé : quoi qui soit tué, et à quel moment, un delete trouve ce qu'il y a.",
    ),
    "Move the process into cgroups of version 1": (
        "Placer le processus dans les groupes de version 1",
        "Chaque contrôleur y a son propre arbre, et seul celui de la version 2 peut être rejoint par le clone même : "
        "le processus attend d'avoir été déplacé.",
    ),
    "Write the first process into the record": (
        "Inscrire le premier processus dans l'enregistrement",
        "Son numéro, et quand il a démarré : un autre processus qui recevrait ce numéro plus tard n'est pas confondu "
        "avec lui.",
    ),
    "Tell the caller which process it is": (
        "Dire à l'appelant de quel processus il s'agit",
        "Désormais il appartient à l'appelant, ou à son subreaper : personne d'autre n'apprendra comment il finit.",
    ),
    "Make the gate at which the process will wait": (
        "Créer la porte devant laquelle le processus attendra",
        "create et start sont deux commandes, que des heures séparent peut-être : le processus attend que quelqu'un "
        "ouvre ce tube nommé en lecture, et aucun processus de minidock n'a besoin de rester. Un verrou qu'il tient "
        "jusqu'à execve dit s'il attend encore.",
    ),
    "Open the gate: the program may run": (
        "Ouvrir la porte : le programme peut s'exécuter",
        "Quelqu'un lit le tube nommé, donc le processus qui attend continue. execve ferme son extrémité : c'est ainsi "
        "que l'on sait que le démarrage a réussi.",
    ),
    "Signal all processes of the container": (
        "Envoyer un signal à tous les processus du conteneur",
        "Le groupe de contrôle les connaît tous, et un SIGKILL par son intermédiaire n'en manque aucun, même en train "
        "de naître.",
    ),
    "Kill what is left, and remove the cgroup": (
        "Tuer ce qui reste et supprimer le groupe de contrôle",
        "Un répertoire de l'arbre des groupes ne peut être supprimé que si aucun processus ne s'y trouve.",
    ),
    "Remove the state of the container": (
        "Supprimer l'état du conteneur",
        "L'enregistrement disparaît après tout ce qu'il décrit : un delete tué à mi-chemin peut être répété.",
    ),
    # exec, cp
    "Open a pidfd of the first process": (
        "Ouvrir un pidfd du premier processus",
        "Un pid est un numéro qui peut être redonné à un autre processus : un pidfd ne désigne que celui-ci, même une "
        "fois terminé.",
    ),
    "Read the container's seccomp filter": (
        "Lire le filtre seccomp du conteneur",
        "Un processus qui entre plus tard a le même filtre.",
    ),
    "Look up the user in the container's files": (
        "Chercher l'utilisateur dans les fichiers du conteneur",
        "Les noms d'utilisateurs sont ceux du conteneur : son passwd est lu à travers une copie de ses montages, sans "
        "qu'un processus y entre.",
    ),
    "Execute a new Python": (
        "Exécuter un nouveau Python",
        "La mémoire d'un processus proche d'un conteneur pourrait être lue de l'intérieur : il commence donc avec une "
        "mémoire à lui, et quelques variables de l'environnement de l'appelant.",
    ),
    "Forbid to execute this Python again": (
        "Interdire de réexécuter ce Python",
        "Jusqu'à ce qu'il exécute le programme du conteneur, le processus est le Python de minidock, et /proc/PID/exe "
        "mène au fichier de l'hôte. Il vient d'un montage où ce fichier ne peut être ni écrit ni exécuté.",
    ),
    "Clone a process into the container's cgroup": (
        "Cloner un processus dans le cgroup du conteneur",
        "Dès sa première instruction, le nouveau processus a les limites du conteneur. Il n'est pas encore dans ses "
        "espaces de noms.",
    ),
    "Close all other files, blank the arguments": (
        "Fermer les autres fichiers, effacer les arguments",
        "Un processus qui a le droit de tracer lit à l'intérieur la mémoire, l'environnement et les fichiers ouverts "
        "des autres : celui-ci n'en a plus à lire.",
    ),
    "Join the container's namespaces": (
        "Rejoindre les espaces de noms du conteneur",
        "setns fait entrer ce processus dans les espaces de noms du PID 1 du conteneur. Celui des processus ne vaut "
        "que pour ses enfants : aucun processus à l'intérieur ne le voit encore.",
    ),
    "Hold the other end of the terminal open": (
        "Garder ouverte l'autre extrémité du terminal",
        "La lecture d'un terminal échoue dès qu'aucun processus n'en a l'autre extrémité ouverte. Un init la ferme un "
        "instant et la rouvre : le moniteur la garde donc ouverte jusqu'à la fin du processus.",
    ),
    "Keep the container that could not be started": (
        "Garder le conteneur qui n'a pas pu démarrer",
        "Son état et son erreur peuvent être examinés, et il peut être redémarré.",
    ),
    "Join the container's scope": (
        "Rejoindre le scope du conteneur",
        "systemd tue les processus de la session d'un utilisateur à la déconnexion : dans le scope du conteneur, le "
        "moniteur de l'exec reste.",
    ),
    "Clone into the process namespace": (
        "Cloner dans l'espace de noms de processus",
        "Des processus à l'intérieur peuvent avoir le droit d'en tracer d'autres : cela vient donc en dernier, quand "
        "le processus n'a pas plus de droits que les autres du conteneur.",
    ),
    "Copy the container's mount tree": (
        "Copier l'arbre de montages du conteneur",
        "Ses fichiers, volumes compris, sont atteints par une copie de ses montages, tenue par un descripteur : aucun "
        "processus n'entre dans le conteneur.",
    ),
    "Set nodev and noexec on the copy": (
        "Poser nodev et noexec sur la copie",
        "Un conteneur y met ce qu'il veut : une commande qui lit ses fichiers n'ouvre aucun périphérique et n'exécute "
        "rien.",
    ),
    "Mount the layers outside of any namespace": (
        "Monter les couches hors de tout espace de noms",
        "Un conteneur arrêté n'a pas de montages : ses couches sont montées pour un instant, tenues par un "
        "descripteur.",
    ),
    # Images
    "Fork a helper that unpauses the container": (
        "Créer un aide qui fera repartir le conteneur",
        "Si cette commande était tuée maintenant, personne ne dégèlerait le conteneur : un second processus attend "
        "donc la fin du premier.",
    ),
    "Unpause the container": (
        "Faire repartir le conteneur",
        "Le groupe est dégelé : les processus à l'intérieur ne remarquent que le temps écoulé.",
    ),
    "Pause the container": (
        "Mettre le conteneur en pause",
        "Geler le groupe de contrôle arrête tous ses processus d'un coup : aucun n'écrit pendant qu'on copie des "
        "fichiers.",
    ),
    "Pack the changes as a layer": (
        "Empaqueter les changements en une couche",
        "Tout ce que le conteneur a modifié est dans sa couche en écriture : mis en archive, c'est une nouvelle "
        "couche d'image.",
    ),
    "Fork a process that builds a stage": (
        "Créer un processus qui construit une étape",
        "Les étapes qui n'ont pas besoin l'une de l'autre sont construites en même temps, chacune par son processus.",
    ),
    "Give the stage a mount namespace": (
        "Donner à l'étape un espace de noms de montage",
        "Ce qu'une étape monte pendant sa construction, personne d'autre ne le voit, et cela disparaît avec elle.",
    ),
    "Mount the layers that files are copied from": (
        "Monter les couches d'où l'on copie",
        "COPY --from et RUN --mount=from lisent les fichiers d'une autre étape : ses couches, montées l'une sur "
        "l'autre.",
    ),
    "Fetch the files of a git repository": (
        "Chercher les fichiers d'un dépôt git",
        "Le programme git cherche un seul commit dans un répertoire à nous, qui est alors un contexte comme un autre.",
    ),
    "Give the output a mount namespace": (
        "Donner au résultat un espace de noms de montage",
        "Les couches du résultat sont montées pour être lues comme un seul arbre : personne d'autre ne le voit, "
        "et cela disparaît avec nous.",
    ),
    "Pack what the command has changed as a layer": (
        "Empaqueter en une couche ce que RUN a changé",
        "La commande d'un RUN a écrit dans le répertoire upper de l'overlay : ce qui s'y trouve est la couche de "
        "cette ligne.",
    ),
    "Unpack a layer": (
        "Extraire une couche",
        "Une couche est une archive tar : elle est extraite une seule fois, puis partagée par tous les conteneurs.",
    ),
    "Collect garbage": (
        "Supprimer ce qui ne sert plus",
        "Les blobs et les couches dont plus aucun nom ni aucun conteneur n'a besoin sont supprimés.",
    ),
    "Look up the path on the host": (
        "Chercher le chemin sur l'hôte",
        "Les liens d'un chemin sont suivis un par un, depuis la racine : ce qui est copié doit être le fichier voulu.",
    ),
    "Look up the path in the container": (
        "Chercher le chemin dans le conteneur",
        "Un chemin du conteneur est cherché dans sa propre arborescence (openat2 avec RESOLVE_IN_ROOT) : aucun lien "
        "n'y mène à un fichier de l'hôte.",
    ),
    "Copy the files as a tar stream": (
        "Copier les fichiers en un flux tar",
        "Les fichiers sont empaquetés d'un côté et extraits de l'autre, avec leurs droits, leurs dates et leurs "
        "propriétaires.",
    ),
    "Write the network into the container's record": (
        "Inscrire le réseau dans la fiche du conteneur",
        "La fiche dit sur quels réseaux est le conteneur, y compris à son prochain démarrage.",
    ),
    "Take the network out of the container's record": (
        "Retirer le réseau de la fiche du conteneur",
        "À son prochain démarrage, le conteneur n'est plus sur ce réseau.",
    ),
    "Name the name server in resolv.conf": (
        "Nommer le serveur de noms dans resolv.conf",
        "Les programmes du conteneur interrogent le serveur que nomme ce fichier : désormais celui qui connaît ses "
        "voisins.",
    ),
    "Replace the rules of an earlier name server": (
        "Remplacer les règles d'un serveur de noms précédent",
        "Des règles d'une exécution précédente sont encore dans cet espace de noms réseau : elles mènent à une socket "
        "fermée.",
    ),
    "Remove the temporary directory": (
        "Supprimer le répertoire temporaire",
        "Les fichiers sont reçus ou extraits dans un répertoire à part : ce qui est terminé a été déplacé, le reste "
        "disparaît.",
    ),
    "Write the index of images": (
        "Écrire l'index des images",
        "index.json énumère les images et leurs noms : une image existe dès qu'elle y figure.",
    ),
    "Write the result of the health check into the record": (
        "Inscrire le résultat du contrôle de santé dans la fiche",
        "Il n'y a pas de démon à interroger : ps et inspect lisent dans la fiche comment va le conteneur.",
    ),
    "Change the limits in the record": (
        "Modifier les limites dans la fiche",
        "Les limites de la fiche sont celles qu'aura le conteneur à son prochain démarrage.",
    ),
}  # fmt: skip

LABELS = {
    "no_step": "en dehors de toute étape",
    "again": "(suite)",
    "book": "livre",
    "code": "code",
    "shell": "shell",
    "see": "voir",
    "does_not_return": "... ne revient pas : le processus est désormais ce programme",
    "more": "... et {count} de plus",
    "names": "abrégé ci-dessous ; pour s'en servir dans un autre terminal :",
    "prompt": "[Entrée] étape {number}  [s NOM] aller à  [c] continuer  [q] tout défaire :",
    "unknown_step": "aucune étape n'a « {name} » dans son titre",
    "skipped_past": "aucune étape ne s'appelait « {name} »",
    "sum": "appels au noyau : {calls}, étapes : {steps}, processus : {processes}",
    "lost": "un appel trop long pour être montré ({size} octets)",
    "not_steppable": "il n'y a pas de terminal où attendre : on continue sans s'arrêter",
    "by_hand":
        "Un conteneur à la main : il faut être root et avoir util-linux et iproute2, ainsi que nft s'il y a des "
        "règles.",
    "another_id": "un autre identifiant permet de l'exécuter à côté de l'original",
    "as_host_sees": "tel que le voit l'hôte : proc est encore celui de l'hôte",
    "from_outside": "ce qui se fait de l'extérieur, une fois les espaces de noms créés",
    "until_buried": "jusqu'à ce que le noyau ait supprimé le dernier processus",
    "no_device_rules":
        "les règles d'accès aux périphériques : un programme BPF, qu'aucune commande du shell ne fabrique",
    "no_filter": "le filtre d'appels système, qu'aucune commande du shell ne pose",
    "no_keyring": "un nouveau trousseau de session : keyctl session, si l'image avait cette commande",
    "needs_setpriv": "le setpriv de busybox ne sait pas le faire ; si l'image a util-linux, c'est fait",
}  # fmt: skip

PROCESSES = {
    "command": "la commande",
    "monitor": "le moniteur",
    "exec-monitor": "le moniteur de l'exec",
    "container": "le premier processus du conteneur",
    "exec": "le processus ajouté par exec",
    "helper": "un aide",
}  # fmt: skip

SHORT = {"command": "commande", "monitor": "moniteur", "exec-monitor": "moniteur de l'exec", "container": "conteneur",
         "exec": "exec", "helper": "aide"}  # fmt: skip
